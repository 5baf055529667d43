// What the page's modules make of what they are given, without a browser.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { bytes, parseQuantity, span, visible } from '../page/format.js';
import { Sha256, digestOf } from '../page/sha256.js';
import { parseImage } from '../page/solo5.js';
import { commitOf, placesOf, rowOf, seenOn, selects, stateOf } from '../page/state.js';
import { toYaml } from '../page/yaml.js';

const bin = process.env['BIN_DIR'] ?? '';

test('hostile characters are shown, and not heeded', () => {
  for (const [text, shown] of [
    ['plain ✓ 日本', 'plain ✓ 日本'],
    ['a\u001b[31mred', 'a\\u001b[31mred'],
    ['a\u202egnp.exe', 'a\\u202egnp.exe'],
    ['zero\u200bwidth\ufeff', 'zero\\u200bwidth\\ufeff'],
    ['\u0007\u007f\u0085', '\\u0007\\u007f\\u0085'],
    ['line\n\ttab', 'line\n\ttab'],
  ]) {
    assert.equal(visible(/** @type {string} */ (text)), shown);
  }
});

test('quantities are read and written', () => {
  for (const [text, value] of /** @type {[string, number][]} */ ([['64Mi', 64 * 2 ** 20], ['25m', 0.025], ['1500', 1500], ['1.5Gi', 1.5 * 2 ** 30], ['2k', 2000]])) assert.equal(parseQuantity(text), value, text);
  for (const text of ['', 'x', '64mi', '-1', undefined]) assert.ok(Number.isNaN(parseQuantity(text)), text);
  assert.equal(bytes(64 * 2 ** 20), '64 MiB');
  assert.equal(bytes(1536), '1.5 KiB');
  assert.equal(bytes(NaN), '–');
  assert.deepEqual([0, 59_000, 60_000, 3_660_000, 90_000_000, 200_000_000].map(span), ['0 s', '59 s', '1 min', '1 h 1 min', '25 h', '2 d']);
});

test('what needs somebody is told from what does not', () => {
  /** @param {Record<string, [string, string]>} conditions @param {any} rest */
  const of = (conditions, rest = {}) => stateOf({ apiVersion: '', kind: 'Unikernel', metadata: { name: 'x', ...rest.metadata }, spec: rest.spec ?? {}, status: { conditions: Object.entries(conditions).map(([type, [status, reason]]) => ({ type, status, reason, message: reason, lastTransitionTime: '' })) } }).word;
  assert.equal(of({ Ready: ['True', 'Running'] }), 'Ready');
  assert.equal(of({ Ready: ['True', 'Completed'] }), 'Completed');
  assert.equal(of({ Ready: ['False', 'NoPolicy'], Stalled: ['True', 'NoPolicy'] }), 'Stalled');
  assert.equal(of({ Ready: ['False', 'Absent'], Reconciling: ['True', 'Absent'] }), 'Working');
  assert.equal(of({ Ready: ['Unknown', 'Unreachable'] }), 'Unknown');
  assert.equal(of({ Ready: ['False', 'ImageNotFound'] }), 'Not ready');
  assert.equal(of({}), 'Unknown');
  assert.equal(of({ Ready: ['True', 'Running'] }, { spec: { suspend: true } }), 'Suspended');
  assert.equal(of({ Ready: ['True', 'Running'] }, { metadata: { deletionTimestamp: 'x' } }), 'Deleting');
});

test('what runs on several instances stands on each as that says', () => {
  const placements = [
    { instance: 'eu-1', ready: 'True', reason: 'Running', message: 'It runs.', digest: 'a', restarts: 1, updated: true, history: ['a', 'b'] },
    { instance: 'eu-2', ready: 'False', reason: 'Absent', message: 'It is made.', reconciling: true, updated: false },
    { instance: 'eu-3', ready: 'False', reason: 'NoPolicy', message: 'No policy.', stalled: true },
  ];
  const lastAction = { verb: 'create' };
  const object = { apiVersion: '', kind: 'Unikernel', metadata: { name: 'x', namespace: 'n' }, spec: { memory: '32Mi' }, status: { instance: 'eu-1', digest: 'a', restarts: 5, lastAction, placements } };
  assert.deepEqual(placesOf(object), ['eu-1', 'eu-2', 'eu-3']);
  assert.equal(rowOf(object).memory, 96 * 2 ** 20);
  assert.match(rowOf(object).text, /eu-3/);
  assert.deepEqual(placements.map(({ instance }) => stateOf(seenOn(object, instance)).word), ['Ready', 'Working', 'Stalled']);
  assert.deepEqual(placements.map(({ instance }) => seenOn(object, instance).status?.lastAction), [lastAction, undefined, undefined]);
  assert.deepEqual(placements.map(({ instance }) => seenOn(object, instance).status?.digest), ['a', undefined, undefined]);
  assert.equal(seenOn(object, 'eu-1').status?.restarts, 1);
  assert.equal(seenOn(object, 'elsewhere'), object);
  assert.deepEqual(placesOf({ ...object, spec: { instance: 'eu-9' }, status: {} }), ['eu-9']);
  assert.deepEqual(placesOf({ ...object, spec: {}, status: {} }), []);
});

test('a manifest is of the commit of the folder that it lies in', () => {
  const instance = { apiVersion: '', kind: '', metadata: { name: 'eu-1' }, spec: {}, status: { sources: [{ root: '/srv/a', lastAttemptedRevision: `main@sha1:${'0123456789abcdef'.repeat(3).slice(0, 40)}` }, { root: '/srv/a/b', lastAttemptedRevision: `sha256:${'f'.repeat(64)}` }] } };
  assert.equal(commitOf(instance, '/srv/a/x.yaml'), 'main@0123456789ab');
  assert.equal(commitOf(instance, '/srv/a/b/x.yaml'), 'f'.repeat(12));
  assert.equal(commitOf(instance, '/srv/ab/x.yaml'), '');
  assert.equal(commitOf({ ...instance, status: {} }, '/srv/a/x.yaml'), '');
});

test('labels are selected as kubectl selects them', () => {
  const labels = { app: 'web', tier: 'front' };
  for (const [selector, wanted] of /** @type {[string, boolean][]} */ ([['app=web', true], ['app==web', true], ['app!=web', false], ['app', true], ['x', false], ['app=web,tier!=db', true], ['app=web,x=1', false], ['', true], ['app in (db, web)', true], ['app in (db)', false], ['app notin (db,web),tier', false], ['app notin (db)', true], ['x notin (a)', true], ['x in (a)', false], ['!x', true], ['!app', false], ['x!=1', true], ['app in (db', true], ['app =', false]])) assert.equal(selects(labels, selector), wanted, selector);
});

test('manifests are YAML that says the same', () => {
  const value = { a: 'plain', b: 'yes', c: '64Mi', d: ['--x=1', 'a: b', '', '#'], e: { f: [{ g: 1, h: [2] }], i: [] }, n: ['12', '1e3', '0x1f', '2026-01-01', '10:30', '1_000', '.5', '-1', '0123abc'], o: '64Mi', j: 'line\nline', k: null, l: '  x ', m: { 'rookery.dev/x': 'true' } };
  const text = toYaml(value);
  assert.deepEqual(parse(text), value, text);
});

test('a digest of pieces is that of the whole', async () => {
  for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, (1 << 20) + 7]) {
    const data = Uint8Array.from({ length: size }, (_, index) => (index * 31 + size) & 255);
    const wanted = createHash('sha256').update(data).digest('hex');
    assert.equal(await digestOf(new Blob([data]), () => {}, new AbortController().signal), wanted, String(size));
    const without = new Blob([data]);
    without.stream = () => new ReadableStream();  // one that cannot be read into memory that is there
    assert.equal(await digestOf(without, () => {}, new AbortController().signal), wanted, String(size));
    const hash = new Sha256();
    for (let at = 0, step = 1; at < size; at += step, step = (step * 7 + 1) % 200) hash.update(data.subarray(at, at + step));
    assert.equal(hash.finish(), wanted, String(size));
  }
});

test('an image says of itself what rookery inspect says, and is refused where that refuses', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rookery-images-'));
  try {
    const file = join(folder, 'x.hvt');
    execFileSync(join(bin, 'solo5-image'), ['--target', 'spt', '--net', 'service', '--net', 'admin', '--block', 'storage', '--size', '64KiB', file]);
    const whole = readFileSync(file);
    assert.deepEqual(await parseImage(new Blob([whole])), { target: 'spt', abiVersion: 2, networks: ['admin', 'service'], blocks: ['storage'] });
    assert.match(execFileSync(join(bin, 'rookery'), ['inspect', file], { encoding: 'utf8' }), /service/);
    for (const [what, spoil] of /** @type {[RegExp, (bytes: Buffer) => Buffer][]} */ ([
      [/not an ELF file/, () => Buffer.from('#!/bin/sh\n')],
      [/not an ELF file/, () => Buffer.alloc(0)],
      [/64-bit/, (bytes) => (bytes.writeUInt8(1, 4), bytes)],
      [/little-endian/, (bytes) => (bytes.writeUInt8(2, 5), bytes)],
      [/no section table/, (bytes) => (bytes.writeUInt16LE(0, 60), bytes)],
      [/beyond/, (bytes) => bytes.subarray(0, 200)],
      [/beyond/, (bytes) => (bytes.writeBigUInt64LE(2n ** 31n, 40), bytes)],
    ])) {
      await assert.rejects(parseImage(new Blob([new Uint8Array(spoil(Buffer.from(whole)))])), what);
    }
    // Whatever is in a file, there is an answer.
    for (let seed = 1; seed <= 300; ++seed) {
      const bytes = Buffer.from(whole.subarray(0, 8192));
      for (let i = 0; i < 4; ++i) bytes[(seed * 7919 + i * 104729) % bytes.length] = (seed * 31 + i) & 255;
      await parseImage(new Blob([bytes])).catch((error) => assert.match(error.message, /^This is not a valid Solo5 image|^The file/));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
