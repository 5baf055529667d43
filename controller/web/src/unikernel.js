// One unikernel: what is declared beside what runs, what happened, what it prints and uses, and what can be done to it.
import { html, useEffect, useMemo, useState } from './html.js';
import { Change, Value } from './changes.js';
import { bytes, parseQuantity, percent, shortDigest } from './format.js';
import { ConsoleView } from './console.js';
import { session, wordsOf } from './session.js';
import { Placements } from './placements.js';
import { useQuery } from './route.js';
import { commitOf, conditionOf, placesOf, seenOn, stateOf } from './state.js';
import { collectionOf, keyOf, pathOf, useCan, useCollection, usePolled } from './store.js';
import { Age, Badge, Chart, Copy, Dialog, Fact, ListState, Notice, useNow, useTitle } from './ui.js';
import { manifestOf } from './yaml.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */
/** @typedef {import('./types.js').Usage} Usage */
/** @typedef {import('./types.js').Source} Source */
/** @typedef {import('./types.js').Plan} Plan */
/** @typedef {{name: string, path: string, declared: any, running?: any, differs?: boolean}} Row */

const samplePeriod = 5_000;
const keptSamples = 120;

/** @type {Map<string, Usage[]>} what was seen of each on an instance while the page is open */
const samplesOf = new Map();

/** @param {string} key @param {Usage | undefined} usage @returns {Usage[]} */
function noteSample(key, usage) {
  const samples = samplesOf.get(key) ?? [];
  if (usage && samples.at(-1)?.timestamp !== usage.timestamp) {
    samples.push(usage);
    if (samples.length > keptSamples) samples.shift();
    samplesOf.set(key, samples);
  }
  return samples;
}

/** @param {Usage} usage @param {'receivedBytes' | 'sentBytes'} what */
const traffic = (usage, what) => (usage.networkInterfaces ?? []).reduce((sum, each) => sum + each[what], 0);

/** Bytes a second between each sample and the one before. @param {Usage[]} samples @param {'receivedBytes' | 'sentBytes'} what */
function rates(samples, what) {
  return samples.slice(1).map((usage, index) => {
    const before = /** @type {Usage} */ (samples[index]);
    const seconds = (Date.parse(usage.timestamp) - Date.parse(before.timestamp)) / 1000;
    const grown = traffic(usage, what) - traffic(before, what);
    return grown >= 0 && seconds > 0 ? grown / seconds : NaN;
  });
}

/** @param {{samples: Usage[], asked: boolean}} props */
function Usages({ samples, asked }) {
  const last = samples.at(-1);
  if (!last) return html`<p class="dim">${asked ? 'Its server says nothing of what it uses.' : 'Asking …'}</p>`;
  const rate = (/** @type {number} */ value) => `${bytes(value)}/s`;
  return html`
    <div class="charts">
      <${Chart} label="Memory" values=${samples.map((each) => parseQuantity(each.usage.memory))} show=${bytes} top=${parseQuantity(last.memoryLimit)} />
      <${Chart} label="CPU" values=${samples.map((each) => parseQuantity(each.usage.cpu))} show=${percent} />
      ${(last.networkInterfaces ?? []).length > 0 && html`
        <${Chart} label="Received" values=${rates(samples, 'receivedBytes')} show=${rate} />
        <${Chart} label="Sent" values=${rates(samples, 'sentBytes')} show=${rate} />`}
    </div>
  `;
}

/** @param {import('./types.js').Device[] | undefined} devices @param {(device: import('./types.js').Device) => string} words */
const devicesIn = (devices, words) => (devices ?? []).map(words).join(', ') || 'none';

/** @type {Record<string, string>} */
const operators = { In: 'in', NotIn: 'not in', Exists: 'is there', DoesNotExist: 'is not there' };

/** @param {import('./types.js').Selector} selector */
const wordsOfSelector = ({ matchLabels = {}, matchExpressions = [] }) => [
  ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
  ...matchExpressions.map(({ key, operator, values = [] }) => `${key} ${operators[operator] ?? operator}${values.length > 0 ? ` ${values.join(', ')}` : ''}`),
].join(', ') || 'any';

/** Where it is to run. @param {import('./types.js').Spec} spec */
function placeOf({ instance, instanceSelector, placement }) {
  if (placement) return `${placement.replicas === 'All' ? 'all' : (placement.replicas ?? 1)} of ${wordsOfSelector(placement.instanceSelector ?? {})}`;
  return instance ?? (instanceSelector ? `one of ${wordsOfSelector(instanceSelector)}` : 'the only one');
}

/** What is declared. @param {KubeObject} object @returns {Row[]} */
function declaredRows({ spec, status }) {
  const image = spec.image ?? {};
  const fail = spec.failBehaviour;
  const words = [...(spec.arguments ?? []), ...(spec.argumentsByInstance?.[status?.instance ?? ''] ?? [])];
  return [
    { name: 'Instance', path: '', declared: placeOf(spec), running: status?.instance, differs: !!spec.instance && !!status?.instance && spec.instance !== status.instance },
    {
      name: 'Image',
      path: 'spec.image.sha256',
      declared: image.path ?? image.url ?? shortDigest(image.sha256),
      running: status?.digest && shortDigest(status.digest),
      differs: !!image.sha256 && !!status?.digest && image.sha256.toLowerCase() !== status.digest,
    },
    { name: 'Memory', path: 'spec.memory', declared: bytes(parseQuantity(spec.memory)) },
    { name: 'CPUs', path: 'spec.cpuIDs', declared: (spec.cpuIDs ?? []).join(', ') },
    { name: 'Network', path: 'spec.networkInterfaces', declared: devicesIn(spec.networkInterfaces, (each) => `${each.name} → ${each.bridge ?? each.name}${each.mac ? ` (${each.mac})` : ''}`) },
    { name: 'Volumes', path: 'spec.blockDevices', declared: devicesIn(spec.blockDevices, (each) => `${each.name} → ${each.volumeName ?? each.name}`) },
    ...(typeof spec.startup === 'number' ? [{ name: 'Starts as', path: 'spec.startup', declared: String(spec.startup) }] : []),
    { name: 'On failure', path: 'spec.failBehaviour', declared: fail?.restart ? `restart${fail.exitCodes?.length ? ` on ${fail.exitCodes.join(', ')}` : ''}` : 'quit' },
    { name: 'Arguments', path: 'spec.arguments', declared: words.length === 0 ? 'none' : html`<ul class="plain mono">${words.map((each) => html`<li><bdi>${each}</bdi></li>`)}</ul>` },
  ];
}

/** What runs beside what is declared: as the controller compared them last, where it has said so; else as far as its
 * status and what it uses tell. @param {KubeObject} object @param {Plan | undefined} plan @param {Usage | undefined} usage
 * @returns {Row[]} */
export function comparison(object, plan, usage) {
  const runs = object.status?.digest !== undefined;
  const here = object.status?.instance;
  const fields = new Map((plan?.changes ?? []).filter((each) => each.verb !== 'create' && each.instance === here).flatMap((each) => each.fields.map((field) => [field.path, field])));
  const seen = { 'spec.memory': usage && bytes(parseQuantity(usage.memoryLimit)) };
  return declaredRows(object).map((row) => {
    const field = fields.get(row.path);
    if (field && row.path === 'spec.memory') return { ...row, running: bytes(parseQuantity(/** @type {any} */ (field.old))), differs: true };
    if (field) return { ...row, running: html`<${Value} value=${field.old} other=${field.new} tag="del" />`, differs: true };
    const told = row.running ?? (runs ? /** @type {any} */ (seen)[row.path] : undefined);
    // Of a step all fields are told that differ.
    return { ...row, running: told ?? (runs && fields.size > 0 ? 'as declared' : undefined) };
  });
}

/** @param {{object: KubeObject, plan: Plan | undefined, usage: Usage | undefined}} props */
function Comparison({ object, plan, usage }) {
  const ready = conditionOf(object, 'Ready');
  const current = object.status?.observedGeneration === object.metadata.generation;
  const same = current && ready?.status === 'True' && ready.reason === 'Running';
  const rows = comparison(object, plan, usage);
  const runs = object.status?.digest !== undefined;
  return html`
    <table class="facts">
      <thead><tr><th scope="col">Field</th><th scope="col">Declared</th><th scope="col">Runs</th></tr></thead>
      <tbody>
        ${rows.map((row) => html`
          <tr class=${row.differs ? 'differs' : ''}>
            <th scope="row">${row.name}</th><td>${row.declared}</td>
            <td>${row.differs && html`<b class="mark">differs: </b>`}${row.running ?? html`<span class="dim">${same ? 'as declared' : runs ? 'not told' : 'nothing'}</span>`}</td>
          </tr>`)}
      </tbody>
    </table>
    ${!current && html`<p class="dim">The manifest is newer than what was last judged.</p>`}
  `;
}

/** What is about to be done about it. @param {{plan: Plan | undefined, now: number}} props */
function Next({ plan, now }) {
  if (!plan || plan.changes.length === 0) return null;
  return html`
    <section aria-labelledby="next"><h2 id="next">Next</h2>
      <ol class="tasks">${plan.changes.map((change) => html`<li key=${`${change.instance} ${change.verb}`}><${Change} change=${change} now=${now} about=${false} /></li>`)}</ol>
    </section>
  `;
}

/** Conditions and Events, the newest first. @param {{object: KubeObject, events: any[], now: number}} props */
function Timeline({ object, events, now }) {
  const entries = useMemo(() => [
    ...(object.status?.conditions ?? []).map((each) => ({
      key: `condition ${each.type}`, time: each.lastTransitionTime, word: `${each.type} ${each.status === 'True' ? '' : `is ${each.status}`}`.trim(),
      reason: each.reason, message: each.message, tone: (each.type === 'Ready') === (each.status === 'True') ? (each.type === 'Ready' ? 'good' : 'off') : each.type === 'Reconciling' ? 'work' : 'bad', now: true, order: Number.MAX_SAFE_INTEGER,
    })),
    ...events.map((each) => ({
      key: each.metadata.name, time: each.lastTimestamp ?? each.firstTimestamp, word: '', reason: each.reason,
      message: each.message, tone: each.type === 'Warning' ? 'bad' : 'off', count: each.count, order: Number(each.metadata.resourceVersion),
    })),
  ].sort((a, b) => Date.parse(b.time) - Date.parse(a.time) || b.order - a.order), [object, events]);
  if (entries.length === 0) return html`<p class="dim">Nothing has happened yet.</p>`;
  return html`
    <ol class="timeline">
      ${entries.map((/** @type {any} */ entry) => html`
        <li key=${entry.key} class=${entry.tone}>
          <${Age} time=${entry.time} now=${now} />
          <div><b>${entry.reason}</b> ${entry.now && html`<span class="tag">${entry.word} now</span>`} ${entry.count > 1 && html`<span class="dim">${entry.count} times</span>`}
          <p><bdi>${entry.message}</bdi></p></div>
        </li>`)}
    </ol>
  `;
}

/** @param {{object: KubeObject, source: Source | undefined}} props */
function Actions({ object, source }) {
  const { name, namespace = '' } = object.metadata;
  const patch = useCan({ verb: 'patch', resource: 'unikernels', namespace, name });
  const remove = useCan({ verb: 'delete', resource: 'unikernels', namespace, name });
  const path = pathOf('unikernels', namespace, name);
  const [asked, setAsked] = useState('');
  const [busy, setBusy] = useState('');
  const [told, setTold] = useState({ text: '', bad: false });
  const act = async (/** @type {string} */ what, /** @type {any} */ options) => {
    setBusy(what);
    setTold({ text: '', bad: false });
    try {
      await session.json(path, options);
      setTold({ text: `${what}: told. What comes of it is shown below.`, bad: false });
    } catch (error) {
      setTold({ text: wordsOf(error), bad: true });
    } finally {
      setBusy('');
      setAsked('');
    }
  };
  const merge = (/** @type {any} */ body) => ({ method: 'PATCH', type: 'application/merge-patch+json', body });
  const restart = () => act('Restart', merge({ metadata: { annotations: { 'rookery.dev/restartedAt': new Date().toISOString() } } }));
  const suspended = object.spec.suspend === true;
  const suspend = () => act(suspended ? 'Resume' : 'Suspend', merge({ spec: { suspend: !suspended } }));
  if (!patch || !remove || !source) return html`<div class="actions" role="status"><span class="dim">Asking what you may do …</span></div>`;
  const elsewhere = !source.writable && (patch.allowed || remove.allowed);
  if (!patch.allowed && !remove.allowed)
    return html`<div class="actions"><${Notice} title="You may only read here.">${patch.reason ?? ''}${source.file ? html`<br />It is declared in <code>${source.file}${source.line ? `:${source.line}` : ''}</code>.` : ''}<//></div>`;
  if (elsewhere)
    return html`<div class="actions"><${Notice} title="It is changed in its file.">It comes from a folder that is only read. Edit <code>${source.file ?? 'its source'}${source.line ? `:${source.line}` : ''}</code>.<//></div>`;
  return html`
    <div class="actions">
      ${patch.allowed && html`
        <button type="button" disabled=${busy !== ''} onClick=${() => setAsked('restart')}>Restart</button>
        <button type="button" disabled=${busy !== ''} onClick=${suspend}>${suspended ? 'Resume' : 'Suspend'}</button>`}
      ${remove.allowed && html`<button type="button" class="danger" disabled=${busy !== ''} onClick=${() => setAsked('delete')}>Delete</button>`}
      <span role=${told.bad ? 'alert' : 'status'} class=${told.bad ? 'bad' : 'dim'}>${busy ? `${busy} …` : told.text}</span>
      ${asked === 'restart' && html`
        <${Dialog} title="Restart ${namespace}/${name}?" onClose=${() => setAsked('')}>
          <p>It ends, and begins another life as it is declared.</p>
          <div class="buttons"><button type="button" class="primary" onClick=${restart}>Restart</button><button type="button" onClick=${() => setAsked('')}>Cancel</button></div>
        <//>`}
      ${asked === 'delete' && html`<${DeleteDialog} object=${object} onClose=${() => setAsked('')} onDelete=${() => act('Delete', { method: 'DELETE', body: { preconditions: { uid: object.metadata.uid } } })} />`}
    </div>
  `;
}

/** @param {{object: KubeObject, onClose: () => void, onDelete: () => void}} props */
function DeleteDialog({ object, onClose, onDelete }) {
  const [typed, setTyped] = useState('');
  const { name, namespace } = object.metadata;
  const kept = object.spec.suspend === true || object.spec.prune === false;
  return html`
    <${Dialog} title="Delete ${namespace}/${name}?" onClose=${onClose}>
      <form onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), typed === name && onDelete())}>
        <p>${kept ? 'Its manifest is removed; what runs is let go, and goes on.' : 'Its manifest is removed, and what runs is destroyed.'}</p>
        <label>Type its name, <b>${name}</b>, to go on <input value=${typed} onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} autocomplete="off" spellcheck=${false} /></label>
        <div class="buttons"><button type="submit" class="danger" disabled=${typed !== name}>Delete</button><button type="button" onClick=${onClose}>Cancel</button></div>
      </form>
    <//>
  `;
}

/** @param {{instance: string, file: string}} props */
function Commit({ instance, file }) {
  const may = useCan({ verb: 'get', resource: 'albatrossinstances', name: instance })?.allowed;
  const { value } = usePolled(may ? pathOf('albatrossinstances', undefined, instance) : undefined, 15_000);
  const commit = value ? commitOf(value, file) : '';
  return commit && html` at <code>${commit}</code>`;
}

/** @param {{object: KubeObject, source: Source | undefined, instance: string}} props */
function Manifest({ object, source, instance }) {
  const text = manifestOf(object);
  return html`
    <p class="tools">${source?.file ? html`<span><code>${source.file}${source.line ? `:${source.line}` : ''}</code>${instance && html`<${Commit} key=${instance} instance=${instance} file=${source.file} />`}</span>` : html`<span class="dim">with defaults, as the API has it</span>`} <${Copy} text=${text} /></p>
    <pre tabindex="0" role="region" aria-label="Its text">${text}</pre>
  `;
}

/** `told`: whether its last action is. @param {{object: KubeObject, told: boolean, now: number}} props */
function History({ object, told, now }) {
  const action = object.status?.lastAction;
  const history = object.status?.history ?? [];
  const running = object.status?.digest;
  return html`
    <dl class="factlist">
      ${told && html`<${Fact} name="Last action">${action?.verb ? html`${action.verb}, <${Age} time=${action.time} now=${now} /> ago` : 'none yet'}<//>`}
      ${action?.verb && html`<${Fact} name="It took">${(action.duration ?? '–').replace(/(\d)([a-z])/g, '$1 $2')}${action.bytes ? `, ${bytes(action.bytes)} sent` : ', no image was sent'}<//>`}
      <${Fact} name="Runs since">${object.status?.startedAt ? html`<${Age} full time=${object.status.startedAt} now=${now} />` : '–'}<//>
      <${Fact} name="Restarts">${object.status?.restarts ?? 0} <span class="dim">that nobody asked for</span><//>
      <${Fact} name="Images">${history.length === 0 ? 'none yet' : html`<ol class="plain mono">${history.map((digest) => html`<li title=${digest}>${shortDigest(digest)} ${digest === running && html`<span class="tag">runs</span>`}</li>`)}</ol>`}<//>
    </dl>
  `;
}

/** @param {{namespace: string, name: string}} props */
export function Unikernel({ namespace, name }) {
  useTitle(`${namespace}/${name}`);
  const now = useNow();
  const found = useCollection(collectionOf('unikernels', namespace, name));
  const object = found.items.get(keyOf(/** @type {any} */ ({ metadata: { namespace, name } })));
  // As a list: of one that does not run there is none, and that is no failure.
  const { value: usages } = usePolled(`${pathOf('unikernelusages', namespace)}?fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`, samplePeriod);
  const asked = useQuery().instance ?? '';
  const places = object ? placesOf(object) : [];
  const place = places.includes(asked) ? asked : (places[0] ?? '');
  const usage = usages?.items.find((/** @type {Usage} */ each) => each.instance === place);
  const samples = noteSample(`${namespace}/${name} ${place}`, usage);
  const { value: source } = usePolled(object ? `${pathOf('unikernels', namespace, name)}/source` : undefined, 60_000);
  const selector = encodeURIComponent(`involvedObject.name=${name},involvedObject.kind=Unikernel`);
  const { value: events, again } = usePolled(`/api/v1/namespaces/${encodeURIComponent(namespace)}/events?fieldSelector=${selector}`, 15_000);
  const { value: plan, again: planAgain } = usePolled(object && !object.metadata.deletionTimestamp ? `${pathOf('unikernels', namespace, name)}/plan` : undefined, samplePeriod);
  const version = object?.metadata.resourceVersion;
  // What happens to it is seen in its status at once; its Events, and what is next, come with that.
  useEffect(() => {
    const timer = setTimeout(() => {
      again();
      planAgain();
    }, 300);
    return () => clearTimeout(timer);
  }, [version]);
  const crumbs = html`<nav class="crumbs" aria-label="Where this is"><a href="#/">Fleet</a> / <a href="#/?ns=${encodeURIComponent(namespace)}">${namespace}</a></nav>`;
  if (!object) {
    return html`${crumbs}<h1>${name}</h1><${ListState} collection=${found} what="unikernels" />
      ${found.state === 'live' && html`<${Notice} title="There is no unikernel ${namespace}/${name}.">It is not declared, or not any more. <a href="#/">All of them</a><//>`}`;
  }
  const state = stateOf(object);
  const live = found.state === 'live' ? usage : undefined;
  const shown = seenOn(object, place);
  const placed = object.status?.placements !== undefined;
  const on = placed && place && html` <span class="dim">on ${place}</span>`;
  return html`
    ${crumbs}
    <header class="head">
      <h1>${name}</h1> <${Badge} tone=${state.tone} word=${state.word} title=${state.means} />
      ${object.metadata.labels && html`<span class="labels">${Object.entries(object.metadata.labels).map(([key, value]) => html`<a class="tag" href="#/?label=${encodeURIComponent(`${key}=${value}`)}">${key}=${value}</a> `)}</span>`}
    </header>
    <p class="lead"><b>${state.reason}</b>${state.reason && ': '}<bdi>${state.message}</bdi></p>
    <${Actions} key=${object.metadata.uid} object=${object} source=${source} />
    <${Next} plan=${plan} now=${now} />
    ${placed && html`<${Placements} object=${object} source=${source} shown=${place} now=${now} />`}
    <div class="columns">
      <section aria-labelledby="declared"><h2 id="declared">Declared and running${on}</h2><${Comparison} object=${shown} plan=${plan} usage=${live} /></section>
      <section aria-labelledby="history"><h2 id="history">Life${on}</h2><${History} object=${shown} told=${place === object.status?.instance || !placed} now=${now} /><h2>Usage${on}</h2><${Usages} samples=${samples} asked=${usages !== undefined} /></section>
    </div>
    <section aria-labelledby="console"><h2 id="console">Console${on}</h2>${object.status?.instance ? html`<${ConsoleView} key=${place} namespace=${namespace} name=${name} instance=${place} />` : html`<p class="dim">It is on no instance yet, so it has printed nothing.</p>`}</section>
    <div class="columns">
      <section aria-labelledby="timeline"><h2 id="timeline">What happened</h2><${Timeline} object=${object} events=${events?.items ?? []} now=${now} /></section>
      <section aria-labelledby="manifest"><h2 id="manifest">Manifest</h2><${Manifest} object=${object} source=${source} instance=${place} /></section>
    </div>
  `;
}
