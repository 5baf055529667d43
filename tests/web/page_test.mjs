// Each thing that people do with the page, as they do it: in a real Chromium, on a real controller.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { Fleet, policy, tokens, unikernel, until } from './fleet.mjs';

/** @typedef {import('playwright-core').Page} Page */

const bin = process.env['BIN_DIR'] ?? '';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = join(process.cwd(), 'pictures');
const patience = 30_000;

const hostileLine = '<img src=x onerror=alert(1)> \u001b[31mred\u001b[0m \u202egnp.exe';
const hostileArgument = '--motd=<script>alert(document.domain)</script>';

/** @type {import('playwright-core').Browser} */
let browser;
/** @type {Fleet} */
let fleet;

/** What must not happen on any page, collected. */
class Watched {
  /** @type {string[]} */
  mistakes = [];
  /** Answers that are part of a test: their status, which a browser calls an error. */
  expected = /$^/;

  /** @param {Page} page @param {string} origin */
  constructor(page, origin) {
    page.setDefaultTimeout(patience);
    page.on('console', (message) => {
      const text = `${message.text()} ${message.location().url}`;
      if (['error', 'warning'].includes(message.type()) && !this.expected.test(text)) this.mistakes.push(text);
    });
    page.on('pageerror', (error) => this.mistakes.push(`thrown: ${error.stack}`));
    page.on('dialog', (dialog) => (this.mistakes.push(`dialog: ${dialog.message()}`), dialog.dismiss()));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) this.mistakes.push(`asked elsewhere: ${request.url()}`);
      if (Object.values(tokens).some((token) => request.url().includes(token))) this.mistakes.push(`a token in a URL: ${request.url()}`);
    });
  }

  check() {
    assert.deepEqual(this.mistakes, []);
  }
}

/** A page of its own, on which nothing bad may happen. @param {(page: Page, watched: Watched) => Promise<void>} use
 * @param {{as?: string, url?: string, options?: import('playwright-core').BrowserContextOptions}} [how] */
async function onPage(use, { as, url = fleet.url, options = {} } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 900 }, ...options });
  // As whoever signed in before in this tab.
  if (as) await context.addInitScript(`sessionStorage.setItem('rookery.token', ${JSON.stringify(as)})`);
  await context.addInitScript(() => addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
  const page = await context.newPage();
  const watched = new Watched(page, url);
  try {
    await page.goto(url);
    await use(page, watched);
    watched.check();
  } catch (error) {
    await page.screenshot({ path: join(pictures, 'failed.png'), fullPage: true }).catch(() => {});
    throw error;
  } finally {
    await context.close();
  }
}

/** @param {Page} page @param {string} name */
const shoot = (page, name, fullPage = true) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage, timeout: 10_000 }).catch(() => console.log(`no time for a picture of ${name}`));

/** @param {Page} page @param {string} hash */
const go = (page, hash) => page.evaluate((to) => { location.hash = to; }, hash);

/** The names in the table, from the top. @param {Page} page */
const names = (page) => page.locator('table.list td.name a').allTextContents();

/** How long a page heeded nobody at most, in milliseconds; 0: less than what is noticed.
 * @param {Page} page @param {() => Promise<unknown>} meanwhile */
async function longestTask(page, meanwhile) {
  await page.evaluate(() => {
    const seen = /** @type {any} */ (globalThis);
    seen.longest = 0;
    seen.observer = new PerformanceObserver((list) => list.getEntries().forEach((each) => (seen.longest = Math.max(seen.longest, each.duration))));
    seen.observer.observe({ type: 'longtask' });
  });
  await meanwhile();
  return page.evaluate(() => (/** @type {any} */ (globalThis).observer.disconnect(), /** @type {any} */ (globalThis).longest));
}

/** @param {Page} page @param {string} row */
const stateOf = (page, row) => page.locator('table.list tbody tr', { hasText: row }).locator('.badge').textContent();

const image = { path: 'images/web.hvt' };
const networkInterfaces = [{ name: 'service', bridge: 'br0' }];
const vanishing = [1, 2, 3, 4, 5].map((number) => unikernel('shop', `gone-${number}`, { instance: 'eu-2', image, networkInterfaces, minReadySeconds: 0 })).join('');

/** @param {string} instance @param {string} name */
function withSecret(instance, name) {
  const data = Object.entries({ 'ca.crt': 'cacert.pem', 'tls.crt': 'admin.pem', 'tls.key': 'admin.key' }).map(([key, file]) => `  ${key}: ${readFileSync(fleet.path(`pki-${name}/${file}`)).toString('base64')}\n`);
  return `${instance.replace(/credentials: .*/, `credentials: {secretRef: {namespace: rookery, name: ${name}}}`)}---
apiVersion: v1
kind: Secret
metadata: {name: ${name}, namespace: rookery}
data:
${data.join('')}`;
}

before(async () => {
  rmSync(pictures, { recursive: true, force: true });
  mkdirSync(pictures, { recursive: true });
  fleet = new Fleet(bin);
  const [first, second, third] = await Promise.all([fleet.server('eu-1'), fleet.server('eu-2'), fleet.server('eu-3')]);
  fleet.image('manifests/images/web.hvt', '--net', 'service', '--content', 'web');
  fleet.write('manifests/fleet.yaml', [
    first, '---\n', third,
    policy('shop', 'eu-1', { blockStorage: '64Mi' }), policy('shop', 'eu-2'), policy('db', 'eu-1', { memory: '64Mi', unikernels: 2 }),
    unikernel('shop', 'web', { instance: 'eu-1', image, memory: '64Mi', networkInterfaces, minReadySeconds: 0, arguments: [`say=${hostileLine}`, hostileArgument] }),
    unikernel('shop', 'ticker', { instance: 'eu-1', image, networkInterfaces, minReadySeconds: 0, arguments: ['every=300'] }),
    unikernel('db', 'ledger', { instance: 'eu-1', image: { path: 'images/missing.hvt' } }),
  ].join(''));
  fleet.write('manifests/vanishing.yaml', vanishing);
  // What the API writes names no files: its credential is a Secret.
  fleet.write('api/eu-2.yaml', withSecret(second, 'eu-2'));
  fleet.write('api/stored.yaml', unikernel('shop', 'stored', { instance: 'eu-1', image: { path: fleet.path('manifests/images/web.hvt') }, networkInterfaces, minReadySeconds: 0 }));
  [browser] = await Promise.all([
    // As root, as tests may run, Chromium has no sandbox of its own; what it is shown here is only what is made here.
    chromium.launch({ executablePath: 'chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] }).catch(() => chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] })),
    fleet.run({ args: ['--manifests', fleet.path('api'), '--image-root', fleet.path('manifests/images')] }),
  ]);
});

after(async () => {
  await browser?.close();
  await fleet?.end();
});

describe('signing in', () => {
  test('a token is pasted once, and kept where nothing but this tab sees it', () => onPage(async (page, watched) => {
    watched.expected = /status of 401/;
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.getByLabel('Bearer token').fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('You are not let in.').waitFor();
    await shoot(page, 'signin');
    await page.getByLabel('Bearer token').fill(tokens.ops);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Fleet' }).waitFor();
    assert.deepEqual(await page.context().cookies(), []);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await page.reload();
    await page.getByText('ops').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    assert.ok(!(await page.content()).includes('shop'), 'nothing of what was shown stays');
  }));

  test('whoever has a client certificate is asked for no token', () => onPage(async (page, watched) => {
    watched.expected = /status of 403/;
    await page.getByRole('link', { name: 'shop/web' }).waitFor();
    await page.getByText('ann', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'shop/web' }).click();
    await page.getByText('You may only read here.').waitFor();
  }, { options: { clientCertificates: [{ origin: fleet.url, certPath: fleet.path('ann.pem'), keyPath: fleet.path('ann.key') }] } }));

  test('whoever may read one namespace sees that, and is told what is not theirs', () => onPage(async (page, watched) => {
    watched.expected = /status of 403/;
    await page.getByRole('link', { name: 'shop/web' }).waitFor();
    assert.ok(!(await names(page)).some((name) => name.startsWith('db/')));
    await page.getByText('You may not list instances.').waitFor();
    await page.getByRole('link', { name: 'shop/web' }).click();
    await page.getByText('You may only read here.').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Delete' }).count(), 0);
    await go(page, '#/deploy');
    await page.getByText('You may not deploy in shop.').waitFor();
    await page.locator('button[type=submit]:disabled').waitFor();
  }, { as: tokens.viewer }));
});

describe('the fleet', () => {
  test('what needs somebody comes first, and all can be found', () => onPage(async (page) => {
    await page.getByRole('link', { name: 'shop/gone-5' }).waitFor();
    await until(async () => (await stateOf(page, 'shop/web')) === '✓ Ready', 'shop/web is Ready');
    assert.equal((await names(page))[0], 'db/ledger');
    await page.locator('.attention').getByRole('link', { name: 'db/ledger' }).waitFor();
    assert.equal(await stateOf(page, 'db/ledger'), '✕ Stalled');
    await page.getByText('16 MiB').first().waitFor();
    await shoot(page, 'fleet');
    await page.getByLabel('Find').fill('gone');
    await until(async () => (await names(page)).length === 5, 'five are found');
    assert.match(page.url(), /q=gone/);
    await page.reload();
    await until(async () => (await names(page)).length === 5, 'the URL says the same');
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.getByLabel('State').selectOption('Stalled');
    await until(async () => (await names(page)).join() === 'db/ledger', 'one is stalled');
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.getByLabel('Labels').fill('app=web');
    await until(async () => (await names(page)).join() === 'shop/web', 'one has the label');
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.getByLabel('Namespace').selectOption('db');
    await until(async () => (await names(page)).join() === 'db/ledger', 'one is in db');
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.locator('th').getByRole('button', { name: 'Unikernel' }).click();
    await page.locator('th').getByRole('button', { name: 'Unikernel' }).click();
    await until(async () => (await names(page))[0] === 'shop/web', 'the last name is first');
    assert.equal(await page.locator('th[aria-sort=descending]').count(), 1);
    await page.locator('main').getByRole('link', { name: 'eu-2', exact: true }).click();
    await until(async () => (await names(page)).length === 5, 'five are on eu-2');
  }, { as: tokens.ops }));

  test('changes show by themselves', () => onPage(async (page) => {
    await page.getByRole('link', { name: 'shop/web' }).waitFor();
    const loads = await page.evaluate(() => performance.getEntriesByType('navigation').length);
    fleet.write('manifests/late.yaml', unikernel('shop', 'late', { instance: 'eu-1', image, networkInterfaces, minReadySeconds: 0 }));
    await until(async () => (await page.locator('table.list tbody tr', { hasText: 'shop/late' }).count()) === 1 && (await stateOf(page, 'shop/late')) === '✓ Ready', 'shop/late came');
    assert.equal(await page.evaluate(() => performance.getEntriesByType('navigation').length), loads);
  }, { as: tokens.ops }));

  test('ten thousand rows are only shown where they are seen', () => onPage(async (page, watched) => {
    const item = (/** @type {number} */ index) => ({ apiVersion: 'rookery.dev/v1alpha1', kind: 'Unikernel', metadata: { name: `uk-${index}`, namespace: `ns-${index % 40}`, uid: String(index), resourceVersion: '1', generation: 1 }, spec: { image, instance: `eu-${index % 3}`, memory: '32Mi' }, status: { conditions: [{ type: 'Ready', status: index % 500 ? 'True' : 'False', reason: 'Running', message: 'It runs.', lastTransitionTime: '2026-01-01T00:00:00Z' }], digest: 'ab'.repeat(32), startedAt: '2026-01-01T00:00:00Z', observedGeneration: 1 } });
    /** @type {import('playwright-core').Route | undefined} */
    let watching;
    await page.route(/\/unikernels\?/, (route) => {
      const query = new URL(route.request().url()).searchParams;
      if (query.get('watch')) {  // it goes on, and nothing happens
        watching = route;
        return undefined;
      }
      const from = Number(query.get('continue') ?? 0);
      const to = Math.min(10_000, from + 1000);
      return route.fulfill({ contentType: 'application/json', body: JSON.stringify({ metadata: { resourceVersion: '1', continue: to < 10_000 ? String(to) : '' }, items: Array.from({ length: to - from }, (_, index) => item(from + index)) }) });
    });
    const began = Date.now();
    await page.reload();
    await page.getByText('10,000 unikernels').waitFor();
    const took = Date.now() - began;
    const rows = await page.locator('table.list tbody tr').count();
    assert.ok(rows < 120, `${rows} rows are there`);
    assert.equal(await page.locator('table.list').getAttribute('aria-rowcount'), '10001');
    const typed = Date.now();
    await page.getByLabel('Find').fill('uk-9999');
    await until(async () => (await names(page)).join() === 'ns-39/uk-9999', 'it is found');
    const found = Date.now() - typed;
    await page.getByRole('link', { name: 'Clear' }).click();
    await page.getByText('10,000 unikernels').waitFor();
    const failing = { ...item(5001), metadata: { ...item(5001).metadata, resourceVersion: '2' } };
    failing.status.conditions.push({ type: 'Stalled', status: 'True', reason: 'Refused', message: 'No.', lastTransitionTime: '2026-01-01T00:00:00Z' });
    await until(() => watching !== undefined, 'it is watched');
    const changed = Date.now();
    await watching?.fulfill({ contentType: 'application/json', body: `${JSON.stringify({ type: 'MODIFIED', object: failing })}\n` });
    await until(async () => (await names(page))[0] === 'ns-1/uk-5001', 'what changed is first, as it needs somebody');
    const updated = Date.now() - changed;
    const idle = await longestTask(page, () => new Promise((resolve) => setTimeout(resolve, 3000)));
    const scrolling = await longestTask(page, async () => {
      for (let step = 0; step < 40; ++step) await page.mouse.wheel(0, 3000);
    });
    console.log(`10,000 unikernels: there after ${took} ms, one found after ${found} ms, an update shown after ${updated} ms; the longest task ${idle} ms while nothing happens, ${scrolling} ms while it is scrolled`);
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await until(async () => (await names(page)).length > 0 && (await page.locator('table.list tbody tr:not(.gap)').last().getAttribute('aria-rowindex')) === '10001', 'the last row is shown');
    await shoot(page, 'many', false);
    watched.check();
  }, { as: tokens.ops }));
});

describe('a unikernel', () => {
  test('shows what is declared and runs, what happened, and what it prints as text', () => onPage(async (page, watched) => {
    watched.expected = /503.*\/(log\?|plan)/;  // where this comes first, its server has not been looked at yet
    await go(page, '#/unikernels/shop/web');
    await page.getByText('Unikernel shop/web runs on eu-1 as declared.').first().waitFor();
    await page.getByRole('cell', { name: '64 MiB' }).first().waitFor();
    await page.getByRole('listitem').filter({ hasText: 'Created' }).first().waitFor();
    await page.getByText(hostileArgument).first().waitFor();
    const line = page.locator('.console .line').first();
    await line.waitFor();
    const text = await line.textContent();
    assert.ok(text?.includes('<img src=x onerror=alert(1)>'), text ?? '');
    assert.ok(!/[\u001b\u202e]/.test(text ?? ''), 'nothing that is heeded is left in it');
    assert.equal(await page.locator('.console img').count(), 0);
    await page.getByText(`${fleet.path('manifests/fleet.yaml')}`).first().waitFor();
    await page.getByText('It is changed in its file.').waitFor();
    await page.locator('.chart svg').first().waitFor();
    await shoot(page, 'unikernel');
    assert.match(await page.title(), /shop\/web/);
    // Who sends a link writes what stands in it: there is no such view, and the server is not asked.
    for (const hash of [`#/unikernels/shop/${encodeURIComponent('\u202egnp<b>, metadata.name=web')}`, '#/unikernels/a%2fb/web', '#/%zz/%', '#/unikernels/shop']) {
      await go(page, hash);
      await page.getByText('This page has no such view.').waitFor();
      assert.equal(await page.title(), 'Not found · Rookery');
      await go(page, '#/plan');
      await page.getByRole('heading', { name: 'Plan', exact: true }).waitFor();
    }
  }, { as: tokens.ops }));

  test('its console is followed and searched', () => onPage(async (page) => {
    await go(page, '#/unikernels/shop/ticker');
    const lines = page.locator('.console .line');
    await until(async () => (await lines.count()) > 3, 'some lines came');
    const count = await lines.count();
    await until(async () => (await lines.count()) > count + 2, 'more came');
    const last = (await lines.last().textContent()) ?? '';
    await page.locator('.console').getByLabel('Search').fill(last);
    await until(async () => (await page.locator('.console mark').first().textContent()) === last, 'it is found');
    await page.getByLabel('Times').check();
    await page.locator('.console .line time').first().waitFor();
  }, { as: tokens.ops }));

  test('runs on several instances, and its roll-out is seen and let go on', () => onPage(async (page, watched) => {
    watched.expected = /503.*\/(log\?|plan)/;  // of an instance that has not got it yet
    const placement = { instanceSelector: { matchExpressions: [{ key: 'site', operator: 'In', values: ['eu-1', 'eu-2'] }] }, replicas: 2 };
    const spread = (/** @type {string} */ word) => fleet.write('api/spread.yaml', unikernel('shop', 'spread', { placement, update: { maxUnavailable: 1, pauseAfter: 1 }, image: { path: fleet.path('manifests/images/web.hvt') }, networkInterfaces, minReadySeconds: 0, arguments: [`say=${word} on $(INSTANCE_NAME)`] }));
    spread('first');
    await until(async () => (await page.locator('table.list tbody tr', { hasText: 'shop/spread' }).count()) === 1 && (await stateOf(page, 'shop/spread')) === '✓ Ready', 'shop/spread is Ready');
    const row = page.locator('table.list tbody tr', { hasText: 'shop/spread' });
    assert.equal(await row.locator('td').nth(2).textContent(), 'eu-1, eu-2');
    await until(async () => /16 MiB\s+of 64 MiB/.test((await row.locator('td').nth(5).textContent()) ?? ''), 'it uses memory twice');
    await page.locator('select[name=instance]').selectOption('eu-2');
    await row.waitFor();
    await row.getByRole('link').click();
    const places = page.locator('section[aria-labelledby=placements]');
    await until(async () => (await places.locator('li a').allTextContents()).join() === 'eu-1,eu-2', 'both are told');
    await page.locator('.console .line', { hasText: 'first on eu-1' }).waitFor();
    await places.getByRole('link', { name: 'eu-2' }).click();
    assert.match(page.url(), /\/spread\?instance=eu-2$/);
    await page.locator('.console .line', { hasText: 'first on eu-2' }).waitFor();
    assert.equal(await places.locator('li', { hasText: 'shown below' }).locator('a').textContent(), 'eu-2');
    spread('second');
    const updated = places.getByRole('meter', { name: 'Updated' });
    const second = places.locator('li', { has: page.getByRole('link', { name: 'eu-2' }) });
    await second.getByText('Its roll-out pauses after 1 of 2').waitFor();
    await second.getByText('UpdatePending', { exact: true }).waitFor();
    await second.getByText('not updated yet').waitFor();
    await until(async () => (await updated.getAttribute('aria-valuetext')) === '1 of 2', 'it got to the first');
    await page.getByRole('row', { name: /^Arguments/ }).getByText('differs').waitFor();
    await shoot(page, 'unikernel-placements');
    await places.getByRole('button', { name: 'Let it go on' }).click();
    await until(async () => (await updated.getAttribute('aria-valuetext')) === '2 of 2', 'it got to both');
    await page.locator('.console .line', { hasText: 'second on eu-2' }).waitFor();
  }, { as: tokens.ops }));

  test('is restarted, suspended and deleted, by its name', () => onPage(async (page, watched) => {
    watched.expected = /404.*\/plan/;  // it may be asked for just when it has gone
    await go(page, '#/unikernels/shop/stored');
    await page.getByText('runs on eu-1 as declared').first().waitFor();
    await page.getByRole('button', { name: 'Restart' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click();
    await page.getByText(/^restart, /).waitFor();
    await page.getByRole('button', { name: 'Suspend' }).click();
    await page.getByRole('button', { name: 'Resume' }).waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Suspend' }).waitFor();
    await page.getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox').fill('store');
    assert.ok(await dialog.getByRole('button', { name: 'Delete' }).isDisabled());
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Delete' }).click();
    await dialog.getByRole('textbox').fill('stored');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByText('There is no unikernel shop/stored.').waitFor();
    assert.deepEqual(readdirSync(fleet.path('api')).filter((file) => readFileSync(join(fleet.path('api'), file), 'utf8').includes('name: stored')), []);
  }, { as: tokens.ops }));
});

describe('deploying', () => {
  test('an instance is chosen, and one without a policy says how to get one', () => onPage(async (page) => {
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Deploy' }).click();
    await page.getByRole('heading', { name: 'Deploy: choose an instance' }).waitFor();
    await page.getByText(/of memory left/).first().waitFor();
    await page.locator('.card', { hasText: 'eu-1' }).getByText(/^\d+ MiB, \d+ unikernels, 64 MiB of storage$/).waitFor();
    await shoot(page, 'deploy-choose');
    await page.getByRole('link', { name: 'eu-3' }).click();
    await page.getByText('There is no usable policy on eu-3 yet.').waitFor();
    await page.getByText('kind: UnikernelPolicy').waitFor();
    assert.equal(await page.locator('form.deploy').count(), 0);
  }, { as: tokens.ops }));

  test('a namespace without a policy says so before anything is filled in', () => onPage(async (page) => {
    await page.getByLabel('Namespace').selectOption('db');
    await page.getByRole('link', { name: 'Deploy a unikernel' }).click();
    await page.getByRole('link', { name: 'eu-2' }).click();
    await page.getByText('There is no usable policy of db on eu-2 yet.').waitFor();
    await page.getByText('namespace: db').waitFor();
    assert.equal(await page.locator('form.deploy').count(), 0);
    await page.getByRole('link', { name: 'Deploy into another namespace' }).click();
    await page.locator('form.deploy').getByLabel('Namespace').waitFor();
  }, { as: tokens.ops }));

  test('whoever has some namespaces chooses among them', () => onPage(async (page, watched) => {
    watched.expected = /status of 403/;
    await go(page, '#/deploy');
    await page.getByText(/^64 MiB left in the policy/).waitFor();
    await page.locator('#among').selectOption('shop');
    await page.getByText(/^\d{3} MiB left in the policy/).waitFor();
    assert.match(page.url(), /namespace=shop/);
  }, { as: tokens.team }));

  test('mistakes are told beside their fields', () => onPage(async (page, watched) => {
    fleet.image('bad.hvt', '--target', 'virtio');
    fleet.image('devices.hvt', '--net', 'service', '--net', 'admin', '--block', 'storage');
    await go(page, '#/deploy/eu-1');
    await page.getByLabel('Namespace').selectOption('shop');
    const wrong = async (/** @type {string} */ id, /** @type {RegExp} */ what) => {
      await until(async () => what.test((await page.locator(`#${id}-error`).textContent()) ?? ''), `${id}: ${what}`);
      assert.equal(await page.locator(`#${id}`).getAttribute('aria-invalid'), 'true');
    };
    await page.locator('#binary').setInputFiles({ name: 'x.hvt', mimeType: '', buffer: Buffer.from('#!/bin/sh') });
    await wrong('binary', /not an ELF file/);
    await page.locator('#binary').setInputFiles(fleet.path('bad.hvt'));
    await wrong('binary', /virtio/);
    await page.locator('#binary').setInputFiles(fleet.path('devices.hvt'));
    await page.getByText('admin', { exact: true }).waitFor();
    assert.deepEqual(await page.locator('.row > b').allTextContents(), ['admin', 'service', 'storage']);
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'devices');
    await page.getByLabel('Name', { exact: true }).fill('Not A Name');
    await wrong('name', /lower-case/);
    await page.getByLabel('Name', { exact: true }).fill('web');
    await wrong('name', /exists/);
    await page.getByLabel('Memory in Mi').fill('999999');
    await wrong('memory', /left/);
    await page.getByLabel('Memory in Mi').fill('12.5');
    await wrong('memory', /whole number/);
    await page.locator('#mac-0').fill('zz');
    await wrong('mac-0', /must/);
    await page.locator('#sector-0').fill('1');
    await wrong('sector-0', /at least 512/);
    await page.getByLabel('The server starts it again at once').check();
    await page.getByLabel('On these exit codes').fill('999');
    await page.getByText('must be at most 255').waitFor();
    await shoot(page, 'deploy-mistakes');
    // What only the server knows: it is told, and nothing was sent.
    watched.expected = /status of 422/;
    await page.getByLabel('On these exit codes').fill('2, 3');
    await page.locator('#mac-0').fill('');
    await page.locator('#sector-0').fill('');
    await page.locator('#volume-0').fill('nothing-there');
    await page.getByLabel('Name', { exact: true }).fill('devices');
    await page.getByLabel('Memory in Mi').fill('32');
    await page.getByRole('button', { name: 'Deploy' }).click();
    await page.getByText('It was not deployed.').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent?.includes('It was not deployed.')), true);
  }, { as: tokens.ops }));

  test('64 MiB are sent piece by piece, and run', () => onPage(async (page) => {
    fleet.image('large.hvt', '--net', 'service', '--size', '64MiB', '--content', 'large');
    await go(page, '#/deploy/eu-1');
    await page.getByLabel('Namespace').selectOption('shop');
    await page.locator('#binary').setInputFiles(fleet.path('large.hvt'));
    await page.getByText('for hvt, 64 MiB').waitFor();
    await page.getByLabel(/as a shell takes them apart/).check();
    await page.locator('#arguments').fill(`--greeting='hello world' --x="a \\"b\\"" plain\\ one`);
    await page.getByText('3 in all').waitFor();
    await shoot(page, 'deploy');
    const before = { page: await pageMemory(page), program: fleet.peakMemory('rookery') };
    await page.getByRole('button', { name: 'Deploy' }).click();
    await page.getByRole('heading', { name: 'It runs' }).waitFor({ timeout: 60_000 });
    const after = { page: await pageMemory(page), program: fleet.peakMemory('rookery') };
    console.log(`an upload of 64 MiB: the page's peak ${before.page.toFixed(0)} → ${after.page.toFixed(0)} MiB, the program's ${before.program.toFixed(0)} → ${after.program.toFixed(0)} MiB`);
    assert.ok(after.page - before.page < 40, 'the page never has all of it');
    const manifest = await page.locator('pre').textContent();
    await page.getByRole('button', { name: 'Copy the manifest' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), manifest);
    assert.match(manifest ?? '', /name: large.*--greeting=hello world.*--x=a \\"b\\".*plain one.*sha256: "?[0-9a-f]{64}/s);
    await shoot(page, 'deployed');
    await page.getByRole('link', { name: 'To shop/large' }).click();
    await page.getByText(/64 MiB sent/).waitFor();
  }, { as: tokens.ops, options: { permissions: ['clipboard-read', 'clipboard-write'] } }));

  test('what is cancelled leaves nothing', () => onPage(async (page, watched) => {
    watched.expected = /net::ERR_/;
    await go(page, '#/deploy/eu-1');
    await page.getByLabel('Namespace').selectOption('shop');
    await page.locator('#binary').setInputFiles(fleet.path('large.hvt'));
    await page.getByText('for hvt, 64 MiB').waitFor();
    await page.getByLabel('Name', { exact: true }).fill('cancelled');
    const session = await page.context().newCDPSession(page);
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 1 << 20 });
    await page.getByRole('button', { name: 'Deploy' }).click();
    await page.getByText('Sending the image').waitFor();
    await page.getByText(/^[1-9]\S* MiB of 64 MiB$/).waitFor();
    await shoot(page, 'deploy-upload');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Cancelled: nothing was deployed.').waitFor();
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    await go(page, '#/unikernels/shop/cancelled');
    await page.getByText('There is no unikernel shop/cancelled.').waitFor();
  }, { as: tokens.ops }));
});

/** What the most memory was that a page's process had, in MiB. @param {Page} page */
async function pageMemory(page) {
  const session = await /** @type {import('playwright-core').Browser} */ (page.context().browser()).newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const peaks = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]) / 1024);
  return Math.max(...peaks);
}

describe('the plan', () => {
  test('tells each step, field by field, and what it waits for', () => onPage(async (page) => {
    // Its window opens once in four years: what stops it has to wait.
    const later = (/** @type {Record<string, unknown>} */ spec) => fleet.write('manifests/later.yaml', unikernel('shop', 'later', { instance: 'eu-1', image, networkInterfaces, minReadySeconds: 0, maintenanceWindows: [{ schedule: '0 3 29 2 *', duration: '1m' }], ...spec }));
    later({ arguments: ['--same', '--old'] });
    await page.getByRole('link', { name: 'shop/later' }).waitFor();
    await until(async () => (await stateOf(page, 'shop/later')) === '✓ Ready', 'shop/later is Ready');
    later({ arguments: ['--same', '--new'], memory: '64Mi' });
    await page.locator('.card', { hasText: 'eu-1' }).getByText('1 step planned').waitFor();
    await page.locator('.card', { hasText: 'eu-1' }).getByText(/Albatross 2\.7 or later/).waitFor();
    await page.locator('.card', { hasText: 'eu-1' }).getByText(/looked at \d+ s ago/).waitFor();
    await go(page, '#/plan');
    const step = page.locator('.planned', { has: page.getByRole('heading', { name: 'eu-1' }) }).locator('li', { hasText: 'shop/later' });
    await step.locator('.badge', { hasText: 'Restart' }).waitFor();
    await step.getByText(/^not before .*, in \d+ d$/).waitFor();
    await step.getByText(/maintenance window opens/).waitFor();
    const fields = Object.fromEntries(await step.locator('tbody tr').evaluateAll((rows) => rows.map((row) => [row.children[0]?.textContent, [...row.children].slice(1).map((cell) => cell.textContent)])));
    assert.deepEqual(fields, { memory: ['32Mi', '64Mi'], arguments: ['--same‹redacted›', '--same--new'] });
    // What is not in the manifest may be a secret.
    assert.deepEqual(await step.locator('del').allTextContents(), ['‹redacted›']);
    assert.deepEqual(await step.locator('ins').allTextContents(), ['--new']);
    await shoot(page, 'plan-steps');
    await step.getByRole('link', { name: 'shop/later' }).click();
    await page.getByRole('heading', { name: 'Next' }).waitFor();
    const rows = page.locator('section[aria-labelledby=declared] tbody tr');
    await until(async () => (await rows.locator('.mark').count()) === 2, 'two fields are marked');
    assert.match((await rows.filter({ hasText: 'Memory' }).textContent()) ?? '', /64 MiB.*differs: .*32 MiB/);
    assert.match((await rows.filter({ hasText: 'CPUs' }).textContent()) ?? '', /as declared/);
    await shoot(page, 'unikernel-differs');
  }, { as: tokens.ops }));

  test('the prune guard asks, and whoever may lets the set go', () => onPage(async (page) => {
    await go(page, '#/plan');
    await page.locator('.planned').first().waitFor();
    rmSync(fleet.path('manifests/vanishing.yaml'));
    await page.getByRole('heading', { name: 'The prune guard asks' }).waitFor({ timeout: 60_000 });
    await until(async () => (await page.locator('.withheld li').allTextContents()).join() === 'shop/gone-1,shop/gone-2,shop/gone-3,shop/gone-4,shop/gone-5', 'who is of the set');
    await shoot(page, 'plan');
    await page.getByRole('button', { name: 'Let this set be destroyed' }).click();
    await page.getByRole('button', { name: 'Destroy it' }).click();
    await until(async () => (await page.getByRole('heading', { name: 'The prune guard asks' }).count()) === 0, 'nothing is asked any more', 40);
    await until(() => fleet.log('eu-2').split('\n').filter((line) => /command=destroy name=shop:gone-\d .*outcome=ok/.test(line)).length === 5, 'five are destroyed');
  }, { as: tokens.ops }));
});

describe('for everybody', () => {
  const views = { fleet: '#/', unikernel: '#/unikernels/shop/web', placements: '#/unikernels/shop/spread', plan: '#/plan', choose: '#/deploy', deploy: '#/deploy/eu-1', 'no policy': '#/deploy/eu-3', 'sign in': '#/signin', 'nothing there': '#/unikernels/shop/nothing' };
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    test(`axe finds nothing, ${colorScheme}`, () => onPage(async (page) => {
      for (const [view, hash] of Object.entries(views)) {
        await go(page, hash);
        await page.locator('main h1').waitFor();
        await until(async () => !/Loading|Asking|Connecting/.test((await page.locator('main').textContent()) ?? 'Loading'), `${view} is there`);
        await page.evaluate(axe);
        const found = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
        assert.deepEqual(found.violations.map((/** @type {any} */ each) => `${view}: ${each.id}: ${each.nodes[0].html} ${each.nodes[0].failureSummary}`), []);
        await shoot(page, `${view.replace(' ', '-')}-${colorScheme}`);
      }
    }, { as: tokens.ops, options: { colorScheme, bypassCSP: true } }));
  }

  test('on a phone nothing is wider than the screen', () => onPage(async (page) => {
    for (const [view, hash] of Object.entries(views)) {
      await go(page, hash);
      await page.locator('main h1').waitFor();
      await until(async () => !/Loading|Asking|Connecting/.test((await page.locator('main').textContent()) ?? 'Loading'), `${view} is there`);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), view);
      if (view === 'fleet') {
        const cell = page.locator('table.list td.name').first();
        await cell.waitFor({ state: 'attached' });
        assert.ok(await cell.evaluate((each) => each.clientWidth > 120 && each.clientHeight < 80), 'names can be read');
        const height = await page.locator('table.list').evaluate((table) => table.clientHeight);
        const rows = Number(await page.locator('table.list').getAttribute('aria-rowcount'));
        assert.ok(Math.abs(height - rows * 56) < 56, `${rows} rows are ${height} pixels high`);
      }
      await shoot(page, `${view.replace(' ', '-')}-phone`);
    }
  }, { as: tokens.ops, options: { viewport: { width: 360, height: 740 } } }));

  test('the keyboard leads everywhere', () => onPage(async (page) => {
    await page.getByRole('link', { name: 'shop/web' }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'MAIN');
    await page.getByRole('link', { name: 'shop/web' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'web', exact: true }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'MAIN', 'a new view is where one reads on');
  }, { as: tokens.ops }));

  test('the keyboard alone deletes, and a question that is not answered leads back', () => onPage(async (page, watched) => {
    watched.expected = /(404|503).*\/(plan|log)/;  // it may be asked for just when it has gone, or has not come
    fleet.write('api/keys.yaml', unikernel('shop', 'keys', { instance: 'eu-1', image: { path: fleet.path('manifests/images/web.hvt') }, networkInterfaces, minReadySeconds: 0 }));
    await go(page, '#/unikernels/shop/keys');
    await page.getByText('runs on eu-1 as declared').first().waitFor();
    await page.getByRole('button', { name: 'Delete' }).waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim());
    for (let step = 0; (await focused()) !== 'Delete'; ++step) {
      assert.ok(step < 30, 'Tab gets there');
      await page.keyboard.press('Tab');
      assert.notEqual(await page.evaluate(() => getComputedStyle(/** @type {Element} */ (document.activeElement)).outlineStyle), 'none', `it is seen where one is: ${await focused()}`);
    }
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.equal(await focused(), 'Delete');
    await page.keyboard.press('Enter');
    await page.keyboard.type('keys');
    await page.keyboard.press('Enter');
    await page.getByText('There is no unikernel shop/keys.').waitFor();
  }, { as: tokens.ops }));
});

describe('the connection', () => {
  test('is cut, which is said, and comes again', () => onPage(async (page, watched) => {
    watched.expected = /net::ERR_|status of 503/;
    await go(page, '#/unikernels/shop/ticker');
    const lines = page.locator('.console .line');
    await until(async () => (await lines.count()) > 2, 'lines came');
    await go(page, '#/');
    await page.getByRole('link', { name: 'shop/web' }).waitFor();
    await fleet.stop('rookery', 'SIGKILL');
    await page.getByText('Disconnected').waitFor();
    await page.getByText(/since \d+ s, trying again/).waitFor();
    await page.getByRole('link', { name: 'shop/web' }).waitFor();
    await shoot(page, 'disconnected');
    await fleet.run({ args: ['--manifests', fleet.path('api'), '--image-root', fleet.path('manifests/images')] });
    await until(async () => (await page.getByText('Disconnected').count()) === 0, 'it is connected again', 60);
    fleet.write('manifests/again.yaml', unikernel('shop', 'again', { instance: 'eu-1', image, networkInterfaces, minReadySeconds: 0 }));
    await page.getByRole('link', { name: 'shop/again' }).waitFor();
  }, { as: tokens.ops }));
});

/** When a page is there at first, loaded again and again by a browser that knows nothing of it: milliseconds, sorted.
 * @param {string} url @param {number} loads */
async function firstPaints(url, loads) {
  const times = [];
  for (let load = 0; load < loads; ++load) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    await page.goto(url);
    const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    times.push(Number(await painted.jsonValue()));
    await context.close();
  }
  return times.sort((a, b) => a - b);
}

/** A page of one line, on a server that does nothing else. @param {(url: string) => Promise<void>} use */
async function withBarePage(use) {
  const server = createServer((_, response) => response.writeHead(200, { 'Content-Type': 'text/html', 'Cross-Origin-Opener-Policy': 'same-origin' }).end('<!DOCTYPE html><title>bare</title><p>Bare'));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  try {
    await use(`http://localhost:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`);
  } finally {
    server.close();
  }
}

describe('one server, without TLS', () => {
  test('one only reads, and no instance is chosen where there is one', async () => {
    const small = new Fleet(bin);
    try {
      const only = await small.server('only');
      small.image('manifests/images/web.hvt', '--net', 'service');
      small.write('manifests/fleet.yaml', `${only}${policy('shop', 'only')}${unikernel('shop', 'web', { image, networkInterfaces, minReadySeconds: 0 })}`);
      const commit = small.commit();
      const url = await small.run({ tls: false });
      await onPage(async (page, watched) => {
        watched.expected = /503.*\/(log\?|plan)/;  // its server has not been looked at yet
        await page.getByText('reading, not signed in').waitFor();
        await page.getByRole('link', { name: 'shop/web' }).click();
        await page.getByText('You may only read here.').waitFor();
        await page.getByText(/without a token this server only reads/).waitFor();
        await until(async () => (await page.locator('section[aria-labelledby=manifest] .tools').textContent())?.includes(`fleet.yaml:13 at main@${commit.slice(0, 12)}`), 'its file and commit');
        await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Deploy' }).click();
        await page.getByRole('heading', { name: 'Deploy on only' }).waitFor();
        await page.getByText('You may not deploy in shop.').waitFor();
        await go(page, '#/plan');
        await page.getByRole('heading', { name: 'Step by step' }).waitFor();
        const sent = await page.evaluate(() => performance.getEntries().filter((each) => each.entryType === 'navigation' || each.name.includes('/web/')).map((each) => /** @type {PerformanceResourceTiming} */ (each)).reduce(([packed, whole], each) => [(packed ?? 0) + each.encodedBodySize, (whole ?? 0) + each.decodedBodySize], [0, 0]));
        console.log(`all views take ${sent.map((each) => (each / 1000).toFixed(0)).join(' kB of files, unpacked ')} kB`);
        assert.ok(/** @type {number} */ (sent[0]) > 20_000 && /** @type {number} */ (sent[0]) < 100_000);
      }, { url });
      // Told, and not judged: how soon that is depends on what else the machine does.
      await withBarePage(async (bare) => {
        for (const [what, where] of [['a bare page', bare], ['the page', url], ['a bare page', bare], ['the page', url]]) {
          const times = await firstPaints(/** @type {string} */ (where), 5);
          console.log(`first paint of ${what}: ${times.map((each) => each.toFixed(0)).join(', ')} ms`);
        }
      });
    } finally {
      await small.end();
    }
  });
});
