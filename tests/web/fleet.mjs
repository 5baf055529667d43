// A fleet to look at: emulated servers, a controller that follows a folder and may write into another, and what it
// takes to be let in. Everything lies below one temporary folder, and ends with the process.
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const tokens = {
  ops: 'correct-horse-battery-staple',
  viewer: 'viewer-token',
  team: 'team-token',
};

const sha256 = (/** @type {string} */ text) => createHash('sha256').update(text).digest('hex');

/** @param {() => unknown} holds @param {string} what @param {number} [seconds] */
export async function until(holds, what, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await holds();
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Fleet {
  /** @type {Map<string, import('node:child_process').ChildProcess>} */
  #processes = new Map();
  /** @type {Map<string, string>} */
  #logs = new Map();
  root = mkdtempSync(join(tmpdir(), 'rookery-web-'));
  port = 0;

  /** @param {string} bin */
  constructor(bin) {
    this.bin = bin;
    for (const folder of ['manifests/images', 'api']) mkdirSync(join(this.root, folder), { recursive: true });
  }

  /** @param {string} name */
  path(name) {
    return join(this.root, name);
  }

  /** @param {string} name @param {string} text */
  write(name, text) {
    writeFileSync(this.path(name), text);
  }

  /** @param {string[]} args */
  #openssl(...args) {
    execFileSync('openssl', args, { cwd: this.root, stdio: 'pipe' });
  }

  /** A program, whose output is kept. @param {string} name @param {string} program @param {string[]} args */
  #start(name, program, args) {
    const child = spawn(join(this.bin, program), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#logs.set(name, '');
    const keep = (/** @type {Buffer} */ text) => this.#logs.set(name, (this.log(name) + text).slice(-1_000_000));
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    this.#processes.set(name, child);
  }

  /** @param {string} name */
  log(name) {
    return this.#logs.get(name) ?? '';
  }

  /** @param {string} name */
  pid(name) {
    return this.#processes.get(name)?.pid;
  }

  /** @param {string} name @param {NodeJS.Signals} [signal] */
  async stop(name, signal = 'SIGTERM') {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** An emulated server and a credential for it; declares it, too. @param {string} name @param {string[]} options */
  async server(name, ...options) {
    const pki = this.path(`pki-${name}`);
    this.#start(name, 'albatross-emulator', ['--listen', '127.0.0.1:0', '--pki', pki, '--cpus', '4', '--memory', '4096', ...['br0', 'br1'].flatMap((each) => ['--bridge', each]), '--statistics-interval', '500', ...options]);
    const address = await until(() => /^listening on (.*)$/m.exec(this.log(name))?.[1], `the start of ${name}`);
    const extensions = this.path('credential.ext');
    writeFileSync(extensions, 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature,nonRepudiation\n');
    this.#openssl('req', '-new', '-newkey', 'ed25519', '-nodes', '-keyout', `${pki}/admin.key`, '-subj', '/CN=admin', '-out', `${pki}/admin.csr`);
    this.#openssl('x509', '-req', '-in', `${pki}/admin.csr`, '-CA', `${pki}/cacert.pem`, '-CAkey', `${pki}/ca.key`, '-days', '1', '-out', `${pki}/admin.pem`, '-extfile', extensions);
    return `apiVersion: rookery.dev/v1alpha1
kind: AlbatrossInstance
metadata: {name: ${name}, labels: {site: ${name}}}
spec:
  endpoint: ${address}
  credentials: {files: {ca: ${pki}/cacert.pem, certificate: ${pki}/admin.pem, privateKey: ${pki}/admin.key}}
`;
  }

  /** @param {string} file @param {string[]} options of solo5-image */
  image(file, ...options) {
    execFileSync(join(this.bin, 'solo5-image'), [...options, this.path(file)], { stdio: 'pipe' });
    return this.path(file);
  }

  /** Makes the manifests a checkout of Git. @returns {string} its commit */
  commit() {
    const git = (/** @type {string[]} */ ...args) => execFileSync('git', ['-c', 'user.name=tests', '-c', 'user.email=tests@example.org', '-C', this.path('manifests'), ...args], { encoding: 'utf8' });
    git('init', '--quiet', '--initial-branch=main');
    git('add', '.');
    git('commit', '--quiet', '--message', 'All of it');
    return git('rev-parse', 'HEAD').trim();
  }

  /** `rookery run`, on the port that it had. @param {{tls?: boolean, args?: string[]}} [options] */
  async run({ tls = true, args = [] } = {}) {
    this.tls = tls;
    const secure = [];
    if (tls) {
      this.#openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'server.key', '-out', 'server.pem', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1');
      this.#openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'clients.key', '-out', 'clients.pem', '-days', '2', '-subj', '/CN=clients');
      this.#openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'ann.key', '-out', 'ann.csr', '-subj', '/CN=ann');
      this.#openssl('x509', '-req', '-in', 'ann.csr', '-CA', 'clients.pem', '-CAkey', 'clients.key', '-days', '2', '-out', 'ann.pem');
      this.write('tokens.yaml', `tokens:
- {name: ops, sha256: ${sha256(tokens.ops)}, verbs: ["*"], namespaces: ["*"]}
- {name: viewer, sha256: ${sha256(tokens.viewer)}, verbs: [get, list, watch], namespaces: [shop], resources: [unikernels, unikernels/log, unikernelpolicies]}
- {name: team, sha256: ${sha256(tokens.team)}, verbs: ["*"], namespaces: [db, shop], resources: ["*"]}
certificates:
- {commonName: ann, verbs: [get, list, watch], namespaces: [shop], resources: [unikernels, unikernelpolicies]}
`);
      secure.push('--tls-cert', this.path('server.pem'), '--tls-key', this.path('server.key'), '--tls-client-ca', this.path('clients.pem'), '--api-token-file', this.path('tokens.yaml'), '--api-store', this.path('api'));
    }
    this.#start('rookery', 'rookery', ['run', '--manifests', this.path('manifests'), '--state-dir', this.path('state'), '--listen', `127.0.0.1:${this.port}`, '--resync', '1s', ...secure, ...args]);
    this.port = Number(await until(() => /Listening for HTTP.* port="(\d+)"/.exec(this.log('rookery'))?.[1], 'the start of rookery'));
    return this.url;
  }

  get url() {
    return `${this.tls ? 'https' : 'http'}://localhost:${this.port}`;
  }

  /** What the most memory was that a program had, in MiB. @param {string} name */
  peakMemory(name) {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid(name)}/status`, 'utf8'))?.[1]) / 1024;
  }

  async end() {
    await Promise.all([...this.#processes.keys()].map((name) => this.stop(name)));
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** @param {string} namespace @param {string} name @param {Record<string, unknown>} spec */
export const unikernel = (namespace, name, spec) => `---
apiVersion: rookery.dev/v1alpha1
kind: Unikernel
metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}}}
spec: ${JSON.stringify(spec)}
`;

/** @param {string} namespace @param {string} instance @param {Record<string, unknown>} spec */
export const policy = (namespace, instance, spec = {}) => `---
apiVersion: rookery.dev/v1alpha1
kind: UnikernelPolicy
metadata: {name: ${instance}, namespace: ${namespace}}
spec: ${JSON.stringify({ instance, unikernels: 20, memory: '1024Mi', cpuIDs: [0, 1, 2], bridges: ['br0', 'br1'], ...spec })}
`;
