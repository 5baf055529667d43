// Has an image run: where, as what, with which devices; then sends it and shows its way until it runs.
import { html, useEffect, useMemo, useRef, useState } from './html.js';
import { bytes, counted, parseQuantity } from './format.js';
import { namespaceIn } from './fleet.js';
import { failureOf, session, wordsOf } from './session.js';
import { navigate } from './route.js';
import { mistakesIn, loadSchemas } from './schema.js';
import { digestOf } from './sha256.js';
import { parseImage } from './solo5.js';
import { conditionOf, placesOf, stateOf, unikernelUrl } from './state.js';
import { collectionOf, keyOf, useCan, useCollection } from './store.js';
import { Badge, Copy, Fact, ListState, Meter, Notice, useTitle } from './ui.js';
import { manifestOf } from './yaml.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */
/** @typedef {import('./solo5.js').Manifest} Image */
/** @typedef {{name: string, bridge?: string, mac?: string}} Network */
/** @typedef {{name: string, volumeName?: string, sectorSize?: string}} Block */
/** @typedef {{namespace: string, name: string, cpuIDs: number[], memory: string, networks: Network[], blocks: Block[],
 *   arguments: string, line: boolean, restart: boolean, exitCodes: string, force: boolean}} Form */

const mebi = 1024 ** 2;
const nameRule = 'must be of lower-case letters, digits, "-" and ".", and have at most 63';
/** What patterns say, for people. @type {Record<string, string>} */
const hints = { mac: 'must be a unicast address like 02:00:00:00:00:01', volumeName: nameRule };

/** The words of a line, as a shell takes it apart. @param {string} line @returns {string[]} */
export function wordsIn(line) {
  const words = [];
  for (const [, word = ''] of line.matchAll(/((?:[^\s"'\\]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?)+)/g)) {
    words.push(word.replace(/'([^']*)'?|"((?:[^"\\]|\\[\s\S])*)"?|\\([\s\S])/g, (_, single, double, escaped) =>
      single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? escaped));
  }
  return words;
}

/** @param {Form} form @returns {string[]} */
const argumentsOf = (form) => (form.line ? wordsIn(form.arguments) : form.arguments.split('\n').map((each) => each.trim()).filter(Boolean));

/** The spec without its image, as the form says it. @param {Form} form */
export function specOf(form) {
  const list = argumentsOf(form);
  const exitCodes = form.exitCodes.split(/[\s,]+/).filter(Boolean).map(Number);
  return {
    cpuIDs: form.cpuIDs,
    memory: `${form.memory}Mi`,
    networkInterfaces: form.networks.length > 0 ? form.networks.map(({ name, bridge, mac }) => ({ name, bridge: bridge || undefined, mac: mac || undefined })) : undefined,
    blockDevices: form.blocks.length > 0 ? form.blocks.map(({ name, volumeName, sectorSize }) => ({ name, volumeName: volumeName || undefined, sectorSize: sectorSize ? Number(sectorSize) : undefined })) : undefined,
    arguments: list.length > 0 ? list : undefined,
    failBehaviour: form.restart ? { restart: true, exitCodes: exitCodes.length > 0 ? exitCodes : undefined } : undefined,
  };
}

/** @param {KubeObject} policy */
const isUsable = (policy) => conditionOf(policy, 'Ready')?.status === 'True';

/** How many of what runs on an instance may use each of these CPUs. @param {number[]} cpus @param {Iterable<KubeObject>} unikernels @param {string} instance */
function loadOf(cpus, unikernels, instance) {
  const load = new Map(cpus.map((cpu) => [cpu, 0]));
  for (const object of unikernels) {
    if (!placesOf(object).includes(instance)) continue;
    for (const cpu of object.spec.cpuIDs ?? []) if (load.has(cpu)) load.set(cpu, (load.get(cpu) ?? 0) + 1);
  }
  return load;
}

/** @param {KubeObject} policy */
function leftIn({ spec, status }) {
  const used = status?.used;
  const parts = [bytes(parseQuantity(spec.memory) - parseQuantity(used?.memory ?? '0'))];
  if (spec.unikernels !== undefined) parts.push(counted(spec.unikernels - (used?.unikernels ?? 0), 'unikernel'));
  if (spec.blockStorage) parts.push(`${bytes(parseQuantity(spec.blockStorage) - parseQuantity(used?.blockStorage ?? '0'))} of storage`);
  return parts.join(', ');
}

/** @param {{instances: KubeObject[], policies: KubeObject[], namespace?: string | undefined}} props */
function ChooseInstance({ instances, policies, namespace }) {
  const query = namespace ? `?namespace=${encodeURIComponent(namespace)}` : '';
  return html`
    <h1>Deploy: choose an instance</h1>
    <div class="cards">
      ${instances.map((instance) => {
        const name = instance.metadata.name;
        const { used, capacity } = instance.status ?? {};
        const state = stateOf(instance);
        const usable = policies.filter((policy) => policy.spec.instance === name && isUsable(policy));
        const left = parseQuantity(capacity?.memory) - parseQuantity(used?.memory);
        return html`
          <article class="card" key=${name}>
            <header><h2><a href="#/deploy/${encodeURIComponent(name)}${query}">${name}</a></h2><${Badge} tone=${state.tone} word=${state.word === 'Ready' ? 'Answers' : state.word} title=${state.message} /></header>
            <p>${Number.isFinite(left) ? html`<b>${bytes(left)}</b> of memory left` : 'What is left is not known'}</p>
            <${Meter} label="Memory" used=${parseQuantity(used?.memory)} total=${parseQuantity(capacity?.memory)} />
            ${usable.length > 0
              ? html`<p class="dim">Left by its policies:</p><dl class="factlist">${usable.map((policy) => html`<${Fact} key=${policy.metadata.uid} name=${policy.metadata.namespace}>${leftIn(policy)}<//>`)}</dl>`
              : html`<p class="dim">No usable policy is declared</p>`}
          </article>`;
      })}
    </div>
  `;
}

/** @param {{instance: string, namespace?: string | undefined, others?: boolean}} props */
const NoPolicy = ({ instance, namespace, others = false }) => {
  const example = `apiVersion: rookery.dev/v1alpha1
kind: UnikernelPolicy
metadata:
  name: ${instance || 'limits'}
  namespace: ${namespace ?? 'shop'}
spec:${instance ? `\n  instance: ${instance}` : ''}
  unikernels: 10
  memory: 512Mi
  cpuIDs: [0]
  bridges: [br0]
`;
  return html`
    <${Notice} tone="warn" title="There is no usable policy ${namespace ? `of ${namespace} ` : ''}on ${instance || 'any instance'} yet.">
      A namespace can only have unikernels where a UnikernelPolicy says how much they may use. Whoever looks after the server declares one, in a manifest or by <code>kubectl apply</code>:
      <pre tabindex="0" role="region" aria-label="An example of a policy">${example}</pre><${Copy} text=${example} />
      ${others && html`<p><a href="#/deploy/${encodeURIComponent(instance)}">Deploy into another namespace</a></p>`}
    <//>
  `;
};

/** A label, its field, and what is wrong with it. @param {{id: string, label: any, error?: string, hint?: any, children: any}} props */
const Field = ({ id, label, error, hint, children }) => html`
  <div class="field ${error ? 'wrong' : ''}">
    <label for=${id}>${label}</label>
    ${children}
    ${hint && html`<p class="dim hint" id="${id}-hint">${hint}</p>`}
    <p class="mistake" id="${id}-error" role="status">${error ?? ''}</p>
  </div>
`;

/** @param {string} id @param {string | undefined} error */
const described = (id, error) => ({ id, 'aria-describedby': `${id}-error ${id}-hint`, 'aria-invalid': error ? 'true' : undefined });

/** What can be said against the form before anybody else is asked.
 * @param {Form} form @param {any} schemas
 * @param {{policy: KubeObject | undefined, exists: KubeObject | undefined, image: Image | undefined, file: File | undefined}} known */
export function mistakesOf(form, schemas, { policy, exists, image, file }) {
  const spec = schemas?.['dev.rookery.v1alpha1.Unikernel']?.properties?.spec ?? {};
  /** @type {Map<string, string>} */
  const found = mistakesIn(spec, specOf(form));
  for (const path of found.keys()) {
    const hint = hints[path.split('.').at(-1) ?? ''];
    if (hint && found.get(path)?.startsWith('must match')) found.set(path, hint);
  }
  // The name of an instance is written as that of a unikernel.
  const name = mistakesIn(spec.properties?.instance ?? {}, form.name).get('');
  if (form.name === '') found.set('name', 'give it a name');
  else if (name) found.set('name', nameRule);
  else if (exists && !form.force) found.set('name', `${form.namespace}/${form.name} exists: choose another name, or force it to get this image`);
  if (!/^[1-9][0-9]*$/.test(form.memory)) found.set('memory', 'must be a whole number of Mi');
  const limit = parseQuantity(policy?.spec.memory);
  const left = limit - parseQuantity(policy?.status?.used?.memory ?? '0') + (form.force && exists ? parseQuantity(exists.spec.memory) : 0);
  if (!found.has('memory') && Number(form.memory) * mebi > left) found.set('memory', `the policy has ${bytes(left)} left`);
  const count = (policy?.spec.unikernels ?? Infinity) - (policy?.status?.used?.unikernels ?? 0);
  if (policy && count < 1 && !exists) found.set('namespace', `the policy allows ${policy.spec.unikernels} unikernels, and so many run`);
  const bridges = policy?.spec.bridges;
  form.networks.forEach(({ name: device, bridge }, index) => {
    const wanted = bridge || device;
    if (bridges && !bridges.includes(wanted)) found.set(`networkInterfaces[${index}].bridge`, bridges.length > 0 ? `the policy does not allow the bridge ${wanted}` : 'the policy allows no bridges');
  });
  if (form.exitCodes !== '' && !/^[0-9]+([\s,]+[0-9]+)*$/.test(form.exitCodes.trim())) found.set('failBehaviour.exitCodes', 'must be numbers, apart by commas');
  if (!file) found.set('binary', 'choose the image');
  else if (image && !['hvt', 'spt'].includes(image.target)) found.set('binary', `it was built for ${image.target}; Albatross runs hvt and spt`);
  return found;
}

/** Sends a form, and tells how far that is. @param {FormData} form @param {AbortSignal} signal @param {(sent: number, total: number) => void} progress
 * @returns {Promise<any>} */
function send(form, signal, progress) {
  return new Promise((resolve, reject) => {
    // fetch() cannot tell how much was sent; either reads the file as it sends it.
    const request = new XMLHttpRequest();
    request.open('POST', '/deploy');
    for (const [name, value] of Object.entries(session.headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => progress(event.loaded, event.total);
    request.onload = () => {
      if (request.status === 202 || request.status === 200) resolve(JSON.parse(request.responseText));
      else reject(failureOf(request.status, request.responseText));
    };
    request.onerror = () => reject(new Error('The connection was lost: nothing of it was kept. Try again.'));
    request.onabort = () => reject(new DOMException('Cancelled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(form);
  });
}

/** @param {{namespace: string, name: string, sha256: string}} props */
function RollOut({ namespace, name, sha256 }) {
  const found = useCollection(collectionOf('unikernels', namespace, name));
  const object = found.items.get(keyOf(/** @type {any} */ ({ metadata: { namespace, name } })));
  const state = object && stateOf(object);
  const judged = object && object.status?.observedGeneration === object.metadata.generation;
  const runs = judged && state?.word === 'Ready' && object.status?.digest === sha256;
  const failed = judged && state?.word === 'Stalled';
  const manifest = object && manifestOf(object);
  return html`
    <section aria-labelledby="rollout">
      <h2 id="rollout">${runs ? 'It runs' : failed ? 'It does not run' : 'On its way'}</h2>
      ${state ? html`<p role="status" aria-live="polite"><${Badge} tone=${runs ? 'good' : failed ? 'bad' : 'work'} word=${runs ? 'Ready' : failed ? 'Failed' : 'Working'} /> <b>${state.reason}</b> <bdi>${state.message}</bdi></p>` : html`<p class="dim" role="status">The controller reads its manifest …</p>`}
      <p class="buttons"><a class="button primary" href=${unikernelUrl(namespace, name)}>To ${namespace}/${name}</a> <a class="button" href="#/">To the fleet</a></p>
      ${manifest && html`
        <h3>Declare this in Git</h3>
        <p class="dim">The image lies in the controller's store, under its digest. To keep it with the manifest, put the file beside it, and say <code>image: {path: …}</code> instead.</p>
        <${Copy} text=${manifest} label="Copy the manifest" />
        <pre tabindex="0" role="region" aria-label="The manifest">${manifest}</pre>`}
    </section>
  `;
}

/** @param {{label: string, done: number, total: number}} props */
const Progress = ({ label, done, total }) => html`
  <div class="progress"><label>${label} <progress value=${done} max=${Math.max(1, total)}></progress></label>
  <span class="number">${bytes(done)} of ${bytes(total)}</span></div>
`;

/** @param {{instance: string, namespaces: string[], policies: KubeObject[], asked?: string, root?: string}} props */
function DeployForm({ instance, namespaces, policies, asked, root }) {
  const [form, setForm] = useState(/** @type {Form} */ ({
    namespace: asked ?? namespaces[0] ?? '', name: '', cpuIDs: [], memory: '32', networks: [], blocks: [], arguments: '', line: false, restart: false, exitCodes: '', force: false,
  }));
  const [file, setFile] = useState(/** @type {any} */ (undefined));
  const [image, setImage] = useState(/** @type {any} */ (undefined));
  const [imageError, setImageError] = useState('');
  const [schemas, setSchemas] = useState(/** @type {any} */ (undefined));
  const [touched, setTouched] = useState(/** @type {Record<string, boolean>} */ ({}));
  const [step, setStep] = useState(/** @type {any} */ ({ name: 'form' }));
  const [refusal, setRefusal] = useState(/** @type {any} */ (undefined));
  const control = useRef(/** @type {any} */ (undefined));
  const alarm = useRef(/** @type {any} */ (null));
  const named = useRef(false);  // by somebody, who may be faster than an image is read
  const unikernels = useCollection(collectionOf('unikernels', session.everywhere ? undefined : form.namespace));
  const volumes = useCollection(collectionOf('unikernelvolumes', form.namespace));
  const verdict = useCan({ verb: 'deploy', resource: 'unikernels', namespace: form.namespace });
  const policy = policies.find((each) => each.metadata.namespace === form.namespace && isUsable(each));
  const cpus = policy?.spec.cpuIDs ?? [];
  const load = useMemo(() => loadOf(cpus, unikernels.items.values(), instance), [policy, unikernels.revision, instance]);
  const least = [...load].sort((a, b) => a[1] - b[1] || a[0] - b[0])[0]?.[0];
  const chosenCpus = form.cpuIDs.length > 0 || touched.cpuIDs ? form.cpuIDs : [least ?? 0];
  const whole = { ...form, cpuIDs: chosenCpus };
  const exists = unikernels.items.get(`${form.namespace}/${form.name}`);
  const mistakes = mistakesOf(whole, schemas, { policy, exists, image, file });
  if (imageError) mistakes.set('binary', imageError);
  for (const cause of refusal?.causes ?? []) {
    const path = String(cause.field ?? '').replace(/^(spec|config)\.?/, '');
    if (path && !mistakes.has(path)) mistakes.set(path, cause.message);
  }
  useEffect(() => {
    loadSchemas().then(setSchemas, () => {});
    return () => control.current?.abort();
  }, []);
  useEffect(() => {
    if (refusal) alarm.current?.focus();
  }, [refusal]);

  const set = (/** @type {Partial<Form>} */ changes) => {
    setRefusal(undefined);
    if (changes.name !== undefined) named.current = true;
    setForm((/** @type {Form} */ before) => ({ ...before, ...changes }));
    setTouched((/** @type {any} */ before) => ({ ...before, ...Object.fromEntries(Object.keys(changes).map((key) => [key, true])) }));
  };
  /** @param {string} path @param {string} [key] of the form */
  const told = (path, key = path) => (touched[key] || touched.all ? mistakes.get(path) : undefined);
  const text = (/** @type {keyof Form} */ key) => (/** @type {any} */ event) => set({ [key]: event.target.value });
  const choose = async (/** @type {any} */ event) => {
    const picked = event.target.files[0];
    setFile(picked);
    setImage(undefined);
    setImageError('');
    setRefusal(undefined);
    setTouched((/** @type {any} */ before) => ({ ...before, binary: true }));
    if (!picked) return;
    try {
      const found = await parseImage(picked);
      setImage(found);
      const bridges = policy?.spec.bridges ?? [];
      const bridgeFor = (/** @type {string} */ device) => (bridges.includes(device) ? '' : (bridges[0] ?? ''));
      setForm((/** @type {Form} */ before) => ({
        ...before,
        name: named.current ? before.name : picked.name.replace(/\.[a-z0-9]+$/i, '').toLowerCase().replace(/[^-a-z0-9.]+/g, '-').replace(/^[-.]+|[-.]+$/g, ''),
        networks: found.networks.map((name) => before.networks.find((each) => each.name === name) ?? { name, bridge: bridgeFor(name) }),
        blocks: found.blocks.map((name) => before.blocks.find((each) => each.name === name) ?? { name }),
      }));
    } catch (error) {
      setImageError(wordsOf(error));
    }
  };
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setTouched({ all: true });
    if (mistakes.size > 0) {
      setTimeout(() => /** @type {HTMLElement | null} */ (document.querySelector('[aria-invalid=true]'))?.focus(), 50);
      return;
    }
    control.current = new AbortController();
    const { signal } = control.current;
    setRefusal(undefined);
    try {
      setStep({ name: 'digest', done: 0 });
      const sha256 = await digestOf(file, (done) => setStep({ name: 'digest', done }), signal);
      const fields = { instance, namespace: form.namespace, name: form.name, config: JSON.stringify(specOf(whole)), force_create: String(form.force), sha256, size: String(file.size) };
      const filled = () => {
        const data = new FormData();
        for (const [name, value] of Object.entries(fields)) if (value !== '') data.set(name, value);
        return data;
      };
      setStep({ name: 'rehearse' });
      const rehearsed = await fetch('/deploy?dryRun=All', { method: 'POST', body: filled(), headers: session.headers(), signal, cache: 'no-store' });
      if (!rehearsed.ok) throw failureOf(rehearsed.status, await rehearsed.text());
      setStep({ name: 'upload', done: 0 });
      const data = filled();
      data.set('binary', file, file.name);
      await send(data, signal, (done, total) => setStep({ name: 'upload', done: Math.min(file.size, done), total }));
      setStep({ name: 'sent', sha256 });
    } catch (error) {
      setStep({ name: 'form' });
      setRefusal(signal.aborted ? { message: 'Cancelled: nothing was deployed.' } : error);
    }
  };

  if (step.name === 'sent') return html`<${RollOut} namespace=${form.namespace} name=${form.name} sha256=${step.sha256} />`;
  const busy = step.name !== 'form';
  const left = parseQuantity(policy?.spec.memory) - parseQuantity(policy?.status?.used?.memory ?? '0');
  const volumeNames = [...volumes.items.values()].filter((each) => !each.spec.instance || each.spec.instance === instance).map((each) => each.metadata.name).sort();
  return html`
    <form class="deploy" onSubmit=${submit} noValidate>
      ${verdict && !verdict.allowed && html`<${Notice} tone="warn" title="You may not deploy in ${form.namespace}.">${verdict.reason}<//>`}
      ${refusal && html`<div ref=${alarm} tabindex="-1"><${Notice} tone="bad" title="It was not deployed.">${refusal.message}<//></div>`}
      <fieldset disabled=${busy}>
        <legend class="hidden">What to deploy</legend>
        <${Field} id="namespace" label="Namespace" error=${mistakes.get('namespace')} hint=${policy ? html`${bytes(left)} of memory left` : form.namespace === root ? 'the domain of the credential itself, without a policy' : ''}>
          <select ...${described('namespace', mistakes.get('namespace'))} value=${form.namespace} onChange=${text('namespace')}>
            ${namespaces.map((each) => html`<option value=${each} selected=${each === form.namespace}>${each}</option>`)}
          </select>
        <//>
        <${Field} id="binary" label="Image" error=${told('binary')} hint=${image ? `for ${image.target}, ${bytes(file.size)}` : 'a Solo5 image for hvt or spt'}>
          <input type="file" ...${described('binary', told('binary'))} onChange=${choose} />
        <//>
        <${Field} id="name" label="Name" error=${told('name')}>
          <input ...${described('name', told('name'))} value=${form.name} onInput=${text('name')} autocomplete="off" spellcheck=${false} />
        <//>
        <${Field} id="memory" label="Memory in Mi" error=${mistakes.get('memory')} hint=${policy ? `${bytes(left)} left in the policy` : ''}>
          <input ...${described('memory', mistakes.get('memory'))} value=${form.memory} onInput=${text('memory')} inputmode="numeric" />
        <//>
        <fieldset class="field">
          <legend>CPUs</legend>
          <div class="choices">${(cpus.length > 0 ? cpus : [0]).map((cpu) => html`
            <label class="check"><input type="checkbox" checked=${chosenCpus.includes(cpu)} onChange=${(/** @type {any} */ event) =>
              set({ cpuIDs: event.target.checked ? [...chosenCpus, cpu].sort((a, b) => a - b) : chosenCpus.filter((each) => each !== cpu) })} /> ${cpu} <span class="dim">(${load.get(cpu) ?? 0})</span></label>`)}</div>
          <p class="dim hint">In brackets: how many unikernels it has. The least used one is chosen.</p>
          <p class="mistake" role="status">${mistakes.get('cpuIDs') ?? ''}</p>
        </fieldset>
        ${image && html`
          <fieldset class="field wide"><legend>Network interfaces</legend>
            ${form.networks.length === 0 && html`<p class="dim">The image has none.</p>`}
            ${form.networks.map((device, index) => {
              const change = (/** @type {Partial<Network>} */ changes) => set({ networks: form.networks.map((each, at) => (at === index ? { ...each, ...changes } : each)) });
              const bridgeError = mistakes.get(`networkInterfaces[${index}].bridge`);
              const macError = mistakes.get(`networkInterfaces[${index}].mac`);
              const options = policy?.spec.bridges;
              return html`<div class="row" key=${device.name}><b class="mono">${device.name}</b>
                <${Field} id="bridge-${index}" label="Bridge" error=${bridgeError}>
                  ${options ? html`<select ...${described(`bridge-${index}`, bridgeError)} value=${device.bridge || device.name} onChange=${(/** @type {any} */ event) => change({ bridge: event.target.value })}>
                      ${[...new Set([...options, ...(bridgeError ? [device.bridge || device.name] : [])])].map((each) => html`<option value=${each} selected=${each === (device.bridge || device.name)}>${each}</option>`)}</select>`
                    : html`<input ...${described(`bridge-${index}`, bridgeError)} value=${device.bridge ?? ''} onInput=${(/** @type {any} */ event) => change({ bridge: event.target.value })} />`}
                <//>
                <${Field} id="mac-${index}" label="MAC address" error=${macError} hint="empty: the server derives one">
                  <input ...${described(`mac-${index}`, macError)} class="mono" value=${device.mac ?? ''} onInput=${(/** @type {any} */ event) => change({ mac: event.target.value })} autocomplete="off" spellcheck=${false} />
                <//></div>`;
            })}
          </fieldset>
          <fieldset class="field wide"><legend>Block devices</legend>
            ${form.blocks.length === 0 && html`<p class="dim">The image has none.</p>`}
            <datalist id="volumes">${volumeNames.map((each) => html`<option value=${each} />`)}</datalist>
            ${form.blocks.map((device, index) => {
              const change = (/** @type {Partial<Block>} */ changes) => set({ blocks: form.blocks.map((each, at) => (at === index ? { ...each, ...changes } : each)) });
              const volumeError = mistakes.get(`blockDevices[${index}].volumeName`);
              const sizeError = mistakes.get(`blockDevices[${index}].sectorSize`);
              return html`<div class="row" key=${device.name}><b class="mono">${device.name}</b>
                <${Field} id="volume-${index}" label="Volume" error=${volumeError} hint=${volumeNames.length > 0 ? `there is ${volumeNames.join(', ')}` : 'the name of a volume on the server'}>
                  <input ...${described(`volume-${index}`, volumeError)} list="volumes" value=${device.volumeName ?? ''} placeholder=${device.name} onInput=${(/** @type {any} */ event) => change({ volumeName: event.target.value })} autocomplete="off" /><//>
                <${Field} id="sector-${index}" label="Sector size" error=${sizeError}>
                  <input ...${described(`sector-${index}`, sizeError)} inputmode="numeric" placeholder="512" value=${device.sectorSize ?? ''} onInput=${(/** @type {any} */ event) => change({ sectorSize: event.target.value })} /><//></div>`;
            })}
          </fieldset>`}
        <${Field} id="arguments" label="Arguments" error=${mistakes.get('arguments')} hint=${html`${argumentsOf(form).length} in all. <label class="check"><input type="checkbox" checked=${form.line} onChange=${(/** @type {any} */ event) => set({ line: event.target.checked })} /> as a shell takes them apart, rather than one a line</label>`}>
          <textarea ...${described('arguments', mistakes.get('arguments'))} class="mono" rows="4" value=${form.arguments} onInput=${text('arguments')} spellcheck=${false} placeholder="--ipv4=10.0.42.20/24"></textarea>
        <//>
        <fieldset class="field"><legend>When it ends</legend>
          <label class="check"><input type="radio" name="fail" checked=${!form.restart} onChange=${() => set({ restart: false })} /> Rookery creates it again</label>
          <label class="check"><input type="radio" name="fail" checked=${form.restart} onChange=${() => set({ restart: true })} /> The server starts it again at once</label>
          ${form.restart && html`<${Field} id="codes" label="On these exit codes" error=${mistakes.get('failBehaviour.exitCodes') ?? [...mistakes].find(([path]) => path.startsWith('failBehaviour.exitCodes['))?.[1]} hint="empty: on any">
            <input ...${described('codes', mistakes.get('failBehaviour.exitCodes'))} value=${form.exitCodes} onInput=${text('exitCodes')} /><//>`}
        </fieldset>
        <div class="field"><label class="check"><input type="checkbox" checked=${form.force} onChange=${(/** @type {any} */ event) => set({ force: event.target.checked })} /> Force: a unikernel of that name gets this image</label></div>
      </fieldset>
      ${step.name === 'digest' && html`<${Progress} label="Reading the image" done=${step.done} total=${file.size} />`}
      ${step.name === 'rehearse' && html`<p role="status">Asking whether it could run …</p>`}
      ${step.name === 'upload' && html`<${Progress} label="Sending the image" done=${step.done} total=${file.size} />`}
      <div class="buttons">
        <button type="submit" class="primary" disabled=${busy || verdict?.allowed === false}>Deploy</button>
        ${busy && html`<button type="button" onClick=${() => control.current?.abort()}>Cancel</button>`}
        ${touched.all && mistakes.size > 0 && html`<span class="bad" role="status">${[...mistakes.values()][0]}</span>`}
      </div>
    </form>
  `;
}

/** Of several that are granted, the one that is looked at: nobody lists all of them at once.
 * @param {{namespace: string}} props */
const Namespaces = ({ namespace }) => html`
  <p class="field"><label for="among">Namespace</label>
    <select id="among" value=${namespace} onChange=${(/** @type {any} */ event) => navigate({ namespace: event.target.value })}>
      ${session.namespaces.map((each) => html`<option value=${each} selected=${each === namespace}>${each}</option>`)}
    </select></p>
`;

/** @param {{instance?: string, namespace?: string}} props */
export function Deploy({ instance, namespace }) {
  useTitle('Deploy');
  const granted = namespaceIn(namespace ?? '');
  const instances = useCollection(collectionOf('albatrossinstances'));
  const policies = useCollection(collectionOf('unikernelpolicies', granted));
  const all = [...instances.items.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const settled = instances.state !== 'loading' && policies.state !== 'loading';
  if (!settled) return html`<h1>Deploy</h1><p class="dim" role="status">Loading what there is …</p>`;
  if (instances.state === 'live' && all.length === 0) return html`<h1>Deploy</h1><${Notice} title="No AlbatrossInstance is declared.">There is no server to deploy to yet.<//>`;
  if (!instance && all.length > 1) return html`<${ChooseInstance} instances=${all} policies=${[...policies.items.values()]} namespace=${namespace} />`;
  const name = instance ?? all[0]?.metadata.name ?? '';
  const chosen = all.find((each) => each.metadata.name === name);
  if (instances.state === 'live' && !chosen) return html`<h1>Deploy</h1><${Notice} title="There is no instance ${name}."><a href="#/deploy">Choose one</a><//>`;
  const here = [...policies.items.values()].filter((each) => !name || (each.spec.instance ?? (all.length === 1 ? name : '')) === name);
  const root = chosen?.spec.rootNamespace;
  const allowed = chosen?.spec.allowedNamespaces;
  const mine = (/** @type {string} */ each) => (session.everywhere || session.namespaces.includes(each)) && (!allowed || allowed.includes(each));
  // Who may not see the policies can still try: the server says whether there is one.
  const usable = policies.state === 'refused' ? [granted ?? ''].filter(Boolean) : here.filter(isUsable).map((each) => each.metadata.namespace ?? '');
  const namespaces = [...new Set([...usable, ...(root ? [root] : [])])].filter(mine).sort();
  const missing = session.everywhere && namespace && policies.state === 'live' && !namespaces.includes(namespace);
  const broken = here.filter((each) => !isUsable(each));
  return html`
    <nav class="crumbs" aria-label="Where this is">${all.length > 1 ? html`<a href="#/deploy">Deploy</a> / ${name}` : html`<a href="#/">Fleet</a> / Deploy`}</nav>
    <h1>Deploy${name ? ` on ${name}` : ''}</h1>
    ${chosen && stateOf(chosen).word !== 'Ready' && html`<${Notice} tone="warn" title="${name} does not answer now.">${stateOf(chosen).message}<//>`}
    ${broken.map((each) => html`<${Notice} tone="warn" title="The policy of ${each.metadata.namespace} is not in force.">${stateOf(each).message}<//>`)}
    ${policies.state === 'refused' && html`<${ListState} collection=${policies} what="policies" />`}
    ${granted && session.namespaces.length > 1 && html`<${Namespaces} namespace=${granted} />`}
    ${namespaces.length === 0 || missing
      ? html`<${NoPolicy} instance=${name} namespace=${granted ?? namespace} others=${namespaces.length > 0} />`
      : html`<${DeployForm} key="${name} ${granted}" instance=${name} namespaces=${namespaces} policies=${here} asked=${namespace && namespaces.includes(namespace) ? namespace : undefined} root=${root} />`}
  `;
}
