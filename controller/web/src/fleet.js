// All that there is: the instances with what is left on them, and the unikernels, those first that need somebody.
import { html, useEffect, useMemo, useRef, useState } from './html.js';
import { age, bytes, counted, local, parseQuantity, percent, shortDigest } from './format.js';
import { navigate, useQuery } from './route.js';
import { session } from './session.js';
import { conditionOf, rowOf, selects, stateOf, states, unikernelUrl } from './state.js';
import { asTable, collectionOf, pathOf, useCan, useCollection, usePolled } from './store.js';
import { Table } from './table.js';
import { Age, Badge, ListState, Meter, Notice, useNow, useTitle } from './ui.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */
/** @typedef {import('./state.js').Row} Row */

/** Reasons that add nothing to the state. */
const quiet = ['Running', 'Completed', 'Suspended', ''];
const usagePeriod = 10_000;
const planPeriod = 5_000;
const mostNamed = 3;
const mostLines = 6;
const mostCards = 9;  // until somebody wants to see all: the unikernels come below

/** The namespace that whoever sits here looks at: all, where they may. @param {string} asked */
export function namespaceIn(asked) {
  return session.everywhere ? undefined : session.namespaces.includes(asked) ? asked : session.namespaces[0];
}

/** What the rows of instanceplans say, by instance. @param {any} table @returns {Map<string, {observedAt?: string, changes: number}>} */
function plansIn(table) {
  const index = (table?.columnDefinitions ?? []).findIndex((/** @type {any} */ each) => each.name === 'Changes');
  return new Map((table?.rows ?? []).map((/** @type {any} */ { cells, object }) =>
    [object.metadata.name, { observedAt: object.metadata.creationTimestamp, changes: Number(cells[index]) || 0 }]));
}

/** @param {{instance: KubeObject, now: number, policies: KubeObject[], counts: Map<string, number>, plan: {observedAt?: string, changes: number} | undefined, crowded: boolean}} props */
function Instance({ instance, now, policies, counts, plan, crowded }) {
  const state = stateOf(instance);
  const { used, capacity } = instance.status ?? {};
  const ready = conditionOf(instance, 'Ready');
  const name = instance.metadata.name;
  return html`
    <article class="card" aria-labelledby="instance-${name}">
      <header>
        <h3 id="instance-${name}"><a href="#/?instance=${encodeURIComponent(name)}">${name}</a></h3>
        <${Badge} tone=${state.tone} word=${state.word === 'Ready' ? 'Answers' : state.word} title=${state.message} />
      </header>
      ${state.word !== 'Ready' && html`<p class=${state.tone === 'bad' ? 'bad' : ''}><bdi>${state.message}</bdi></p>`}
      <p class="dim small"><bdi>${instance.spec.endpoint}${instance.status?.version && `, Albatross ${instance.status.version}`}</bdi></p>
      <${Meter} label="Memory" used=${parseQuantity(used?.memory)} total=${parseQuantity(capacity?.memory)} />
      <${Meter} label="Unikernels" used=${used?.unikernels ?? counts.get(name) ?? NaN} total=${capacity?.unikernels ?? NaN} show=${String} />
      <${Meter} label="Storage" used=${parseQuantity(used?.blockStorage)} total=${parseQuantity(capacity?.blockStorage)} />
      ${policies.length > 0 && html`
        <details open=${policies.length <= 2 && !crowded}>
          <summary>${counted(policies.length, 'policy', 'policies')}</summary>
          ${policies.map((policy) => html`<${Policy} key=${policy.metadata.uid} policy=${policy} />`)}
        </details>`}
      ${plan && plan.changes > 0 && html`<p class="small"><a href="#/plan">${counted(plan.changes, 'step')} planned</a></p>`}
      <p class="dim small">${ready ? html`${ready.status === 'True' ? 'Answers' : ready.reason} for <${Age} time=${ready.lastTransitionTime} now=${now} />` : 'Nobody has looked yet'}${plan?.observedAt && html`, looked at <${Age} time=${plan.observedAt} now=${now} /> ago`}</p>
    </article>
  `;
}

/** What needs somebody, before all else. `revision`: of the objects.
 * @param {{instances: KubeObject[], objects: Map<string, KubeObject>, revision: number}} props */
function Attention({ instances, objects, revision }) {
  const silent = instances.filter((each) => ['Stalled', 'Not ready', 'Unknown'].includes(stateOf(each).word) && conditionOf(each, 'Ready') !== undefined);
  const asked = instances.filter((each) => conditionOf(each, 'Ready')?.reason === 'PruneGuard');
  const found = useMemo(() => {
    /** @type {Record<string, Row[]>} */
    const rows = { Stalled: [], 'Not ready': [] };
    for (const object of objects.values()) rows[rowOf(object).state.word]?.push(rowOf(object));
    return rows;
  }, [objects, revision]);
  const lines = [
    ...silent.map((each) => html`<b>${each.metadata.name}</b> does not answer as it should: <bdi>${stateOf(each).message}</bdi>`),
    ...asked.map((each) => html`The prune guard asks about a set on <b>${each.metadata.name}</b>. <a href="#/plan">Answer it</a>`),
    ...Object.entries(found).filter(([, rows]) => rows.length > 0).map(([word, rows]) => html`
      <a href="#/?state=${encodeURIComponent(word)}">${counted(rows.length, 'unikernel')}</a> ${word === 'Stalled' ? 'will not go on until somebody does something' : 'not ready'}:${' '}
      ${rows.slice(0, mostNamed).map((row, index) => html`${index > 0 && ', '}<a href=${unikernelUrl(row.namespace, row.name)}>${row.key}</a>`)}${rows.length > mostNamed && ' …'}`),
  ];
  if (lines.length === 0) return null;
  return html`<section class="notice bad attention" aria-labelledby="attention"><h2 id="attention">Needs somebody</h2><ul class="plain">${lines.slice(0, mostLines).map((line) => html`<li>${line}</li>`)}</ul>
    ${lines.length > mostLines && html`<p>And ${counted(lines.length - mostLines, 'more', 'more')}.</p>`}</section>`;
}

/** @param {{policy: KubeObject}} props */
function Policy({ policy }) {
  const state = stateOf(policy);
  const used = policy.status?.used;
  return html`
    <section class="policy">
      <h4>${policy.metadata.namespace} ${state.word !== 'Ready' && html`<${Badge} tone=${state.tone} word=${state.word} title=${state.message} />`}</h4>
      <${Meter} label="Memory" used=${parseQuantity(used?.memory ?? '0')} total=${parseQuantity(policy.spec.memory)} />
      <${Meter} label="Unikernels" used=${used?.unikernels ?? 0} total=${policy.spec.unikernels ?? NaN} show=${String} />
      ${policy.spec.blockStorage && html`<${Meter} label="Storage" used=${parseQuantity(used?.blockStorage ?? '0')} total=${parseQuantity(policy.spec.blockStorage)} />`}
    </section>
  `;
}

/** @type {Record<string, (row: Row & {cpu: number, used: number}) => string | number>} */
const orders = {
  state: (row) => row.state.rank,
  name: (row) => row.key,
  instance: (row) => row.instance,
  uptime: (row) => -row.started || 0,
  restarts: (row) => row.restarts,
  memory: (row) => row.used || 0,
  cpu: (row) => row.cpu || 0,
  digest: (row) => row.digest,
  action: (row) => -row.acted || 0,
};

/** @param {any} a @param {any} b */
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** What each uses, on all of its instances together. @param {import('./types.js').Usage[]} list
 * @returns {Map<string, {used: number, cpu: number}>} */
export function usagesIn(list) {
  const found = new Map();
  for (const { metadata, usage } of list) {
    const key = `${metadata.namespace}/${metadata.name}`;
    const before = found.get(key) ?? { used: 0, cpu: 0 };
    found.set(key, { used: before.used + parseQuantity(usage.memory), cpu: before.cpu + parseQuantity(usage.cpu) });
  }
  return found;
}

/** Those that are meant, in their order. @param {Iterable<KubeObject>} objects @param {Record<string, string>} query
 * @param {Map<string, {used: number, cpu: number}>} usages @returns {any[]} */
export function chosen(objects, query, usages) {
  const words = (query.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (const object of objects) {
    const row = rowOf(object);
    if (query.ns && row.namespace !== query.ns) continue;
    if (query.instance && !row.places.includes(query.instance)) continue;
    if (query.state && row.state.word !== query.state) continue;
    if (query.label && !selects(object.metadata.labels ?? {}, query.label)) continue;
    if (!words.every((word) => row.text.includes(word))) continue;
    const { used = NaN, cpu = NaN } = usages.get(row.key) ?? {};
    found.push({ ...row, used, cpu });
  }
  const sort = query.sort ?? 'state';
  const by = orders[sort.replace(/^-/, '')] ?? orders.state;
  const sign = sort.startsWith('-') ? -1 : 1;
  return found.sort((a, b) => sign * compare(by?.(a), by?.(b)) || compare(a.key, b.key));
}

/** @param {string[]} places */
const whereOf = ([first = '–', second, ...more]) => (second === undefined ? first : more.length === 0 ? `${first}, ${second}` : `${first} and ${more.length + 1} more`);

/** @param {number} now @returns {import('./table.js').Column[]} */
const columnsAt = (now) => [
  { id: 'state', name: 'State', class: 'state', cell: (row) => html`<${Badge} tone=${row.state.tone} word=${row.state.word} title="${row.state.reason}: ${row.state.message}" />` },
  { id: 'name', name: 'Unikernel', class: 'name', cell: (row) => html`<a href=${unikernelUrl(row.namespace, row.name)}><span class="dim">${row.namespace}/</span>${row.name}</a>
    ${(row.state.rank < 4 || !quiet.includes(row.state.reason)) && html`<span class="why dim" title=${row.state.message}>${row.state.reason}</span>`}` },
  { id: 'instance', name: 'Instance', class: 'wide', cell: (row) => html`<span title=${row.places.length > 1 ? row.instance : undefined}>${whereOf(row.places)}</span>` },
  { id: 'uptime', name: 'Up', class: 'number', cell: (row) => html`<span title=${local(row.object.status?.startedAt)}>${age(row.object.status?.startedAt, now)}</span>` },
  { id: 'restarts', name: 'Restarts', class: 'number wide', cell: (row) => row.restarts },
  { id: 'memory', name: 'Memory', class: 'number', cell: (row) => html`${bytes(row.used)} <span class="dim">of ${bytes(row.memory)}</span>` },
  { id: 'cpu', name: 'CPU', class: 'number wide', cell: (row) => percent(row.cpu) },
  { id: 'digest', name: 'Image', class: 'wider mono', cell: (row) => html`<span title=${row.digest}>${shortDigest(row.digest)}</span>` },
  { id: 'action', name: 'Last action', class: 'wider', cell: (row) => html`${row.object.status?.lastAction?.verb ?? '–'} <span class="dim" title=${local(row.object.status?.lastAction?.time)}>${row.object.status?.lastAction?.time ? age(row.object.status.lastAction.time, now) : ''}</span>` },
];

/** @param {{name: string, label: string, value: string, options: string[], all: string}} props */
const Choice = ({ name, label, value, options, all }) => html`
  <label>${label}
    <select name=${name} value=${value} onChange=${(/** @type {any} */ event) => navigate({ [name]: event.target.value })}>
      <option value="">${all}</option>
      ${[...new Set([...options, ...(value ? [value] : [])])].map((option) => html`<option value=${option} selected=${option === value}>${option}</option>`)}
    </select>
  </label>
`;

/** A field that is heeded once nobody types any more. @param {{name: string, label: string, value: string, hint: string, type?: string}} props */
function Filter({ name, label, value, hint, type = 'text' }) {
  const timer = useRef(/** @type {any} */ (undefined));
  const field = useRef(/** @type {any} */ (null));
  useEffect(() => {
    if (document.activeElement !== field.current) field.current.value = value;
  }, [value]);
  const changed = (/** @type {any} */ event) => {
    const wanted = event.target.value;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => navigate({ [name]: wanted }), 120);
  };
  return html`<label class=${name}>${label} <input ref=${field} type=${type} name=${name} placeholder=${hint} onInput=${changed} autocomplete="off" spellcheck=${false} /></label>`;
}

/** `shown`: how many there are of all. `revision`: of the objects.
 * @param {{shown: number, objects: Map<string, KubeObject>, revision: number, query: Record<string, string>, instances: string[]}} props */
function Filters({ shown, objects, revision, query, instances }) {
  const { namespaces, words } = useMemo(() => {
    /** @type {Set<string>} */
    const found = new Set();
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const object of objects.values()) {
      const row = rowOf(object);
      found.add(row.namespace);
      counts.set(row.state.word, (counts.get(row.state.word) ?? 0) + 1);
    }
    return { namespaces: [...found].sort(), words: counts };
  }, [objects, revision]);
  const filtered = query.q || query.ns || query.instance || query.state || query.label;
  return html`
    <form class="filters" role="search" onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      <${Filter} name="q" label="Find" type="search" hint="name, reason, digest …" value=${query.q ?? ''} />
      ${session.everywhere
        ? html`<${Choice} name="ns" label="Namespace" value=${query.ns ?? ''} options=${namespaces} all="all" />`
        : html`<${Choice} name="ns" label="Namespace" value=${namespaceIn(query.ns ?? '') ?? ''} options=${session.namespaces} all="first" />`}
      <${Choice} name="instance" label="Instance" value=${query.instance ?? ''} options=${instances} all="all" />
      <${Choice} name="state" label="State" value=${query.state ?? ''} options=${Object.keys(states)} all="all" />
      <${Filter} name="label" label="Labels" hint="app=web" value=${query.label ?? ''} />
      <p role="status" class="count">${filtered ? `${shown.toLocaleString()} of ` : ''}${counted(objects.size, 'unikernel')}</p>
      ${filtered && html`<a class="button small" href="#/">Clear</a>`}
    </form>
    <ul class="tally" aria-label="How many are how">
      ${Object.entries(states).filter(([word]) => words.get(word)).map(([word, state]) => html`
        <li><a href="#/?state=${encodeURIComponent(word)}" aria-current=${query.state === word ? 'true' : undefined} title="${word}: ${state.means}">
          <${Badge} tone=${state.tone} word=${word} /> ${(words.get(word) ?? 0).toLocaleString()}</a></li>`)}
    </ul>
  `;
}

const narrow = matchMedia('(max-width: 40rem)');

function useRowHeight() {
  const [small, setSmall] = useState(narrow.matches);
  useEffect(() => {
    const changed = () => setSmall(narrow.matches);
    narrow.addEventListener('change', changed);
    return () => narrow.removeEventListener('change', changed);
  }, []);
  return small ? 56 : 34;
}

export function Fleet() {
  useTitle('Fleet');
  const query = useQuery();
  const now = useNow();
  const namespace = namespaceIn(query.ns ?? '');
  const unikernels = useCollection(collectionOf('unikernels', namespace));
  const instances = useCollection(collectionOf('albatrossinstances'));
  const policies = useCollection(collectionOf('unikernelpolicies', namespace));
  const { value: usageList } = usePolled(pathOf('unikernelusages', namespace), usagePeriod);
  const planned = useCan({ verb: 'list', resource: 'instanceplans' })?.allowed;
  const { value: planTable } = usePolled(planned ? pathOf('instanceplans') : undefined, planPeriod, asTable);
  const plans = useMemo(() => plansIn(planTable), [planTable]);
  const height = useRowHeight();
  const [all, setAll] = useState(false);
  const usages = useMemo(() => usagesIn(usageList?.items ?? []), [usageList]);
  const wanted = session.everywhere ? query : { ...query, ns: '' };
  const rows = useMemo(() => chosen(unikernels.items.values(), wanted, usages), [unikernels.items, unikernels.revision, JSON.stringify(query), usages]);
  const counts = useMemo(() => {
    const found = new Map();
    for (const object of unikernels.items.values()) for (const place of rowOf(object).places) found.set(place, (found.get(place) ?? 0) + 1);
    return found;
  }, [unikernels.items, unikernels.revision]);
  const sorted = [...instances.items.values()].sort((a, b) => stateOf(a).rank - stateOf(b).rank || compare(a.metadata.name, b.metadata.name));
  const only = instances.items.size === 1 ? sorted[0]?.metadata.name : undefined;
  const policiesOf = (/** @type {string} */ name) => [...policies.items.values()].filter((policy) => (policy.spec.instance ?? only) === name);
  const names = instances.items.size > 0 ? sorted.map((each) => each.metadata.name) : [...counts.keys()].filter(Boolean).sort();
  const columns = useMemo(() => columnsAt(now), [now]);
  return html`
    <header class="head"><h1>Fleet</h1><a class="button primary end" href="#/deploy${query.ns ? `?namespace=${encodeURIComponent(query.ns)}` : ''}">Deploy a unikernel</a></header>
    <${Attention} instances=${sorted} objects=${unikernels.items} revision=${unikernels.revision} />
    <section aria-labelledby="instances">
      <h2 id="instances">Instances</h2>
      <${ListState} collection=${instances} what="instances" />
      ${instances.state === 'live' && sorted.length === 0 && html`
        <${Notice} title="No AlbatrossInstance is declared.">Declare one in a manifest: <code>rookery help run</code>, and docs/guides/manifests.md say how.<//>`}
      <div class="cards">${(all ? sorted : sorted.slice(0, mostCards)).map((each) => html`<${Instance} key=${each.metadata.name} crowded=${height > 40 || sorted.length > 4} instance=${each} now=${now} counts=${counts} plan=${plans.get(each.metadata.name)} policies=${policiesOf(each.metadata.name)} />`)}</div>
      ${sorted.length > mostCards && html`<p class="buttons"><button type="button" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? 'Show fewer' : `Show all ${sorted.length}`}</button></p>`}
    </section>
    <section aria-labelledby="unikernels">
      <h2 id="unikernels">Unikernels</h2>
      <${Filters} shown=${rows.length} objects=${unikernels.items} revision=${unikernels.revision} query=${query} instances=${names} />
      <${ListState} collection=${unikernels} what="unikernels" />
      ${unikernels.state === 'live' && unikernels.items.size === 0 && html`
        <${Notice} title="No unikernel is declared."><a href="#/deploy">Deploy one</a>, or write a manifest.<//>`}
      ${unikernels.items.size > 0 && rows.length === 0 && html`<${Notice} title="None is like that."><a href="#/">Show all</a><//>`}
      ${rows.length > 0 && html`
        <${Table} label="Unikernels" columns=${columns} rows=${rows} height=${height} sort=${query.sort ?? 'state'}
          onSort=${(/** @type {string} */ id) => navigate({ sort: id === 'state' ? '' : id })} />`}
    </section>
  `;
}
