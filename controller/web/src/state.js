// What a unikernel's conditions mean, in one word, and how urgent that is.
import { parseQuantity } from './format.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */
/** @typedef {import('./types.js').Tone} Tone */

/** @param {KubeObject} object @param {string} type */
export const conditionOf = (object, type) => object.status?.conditions?.find((each) => each.type === type);

/** Words, colours and order of what a unikernel can be: what needs somebody comes first.
 * @type {Record<string, {tone: Tone, rank: number, means: string}>} */
export const states = {
  Stalled: { tone: 'bad', rank: 0, means: 'does not go on until somebody does something' },
  'Not ready': { tone: 'bad', rank: 1, means: 'does not run as it should' },
  Unknown: { tone: 'warn', rank: 2, means: 'cannot be seen now' },
  Working: { tone: 'work', rank: 3, means: 'is on its way to what is declared' },
  Deleting: { tone: 'work', rank: 4, means: 'is to go' },
  Suspended: { tone: 'off', rank: 5, means: 'is frozen as it is' },
  Completed: { tone: 'off', rank: 6, means: 'has run once, and ended' },
  Ready: { tone: 'good', rank: 7, means: 'runs as declared' },
};

/** @param {KubeObject} object @returns {keyof typeof states} */
function wordOf(object) {
  const ready = conditionOf(object, 'Ready');
  if (conditionOf(object, 'Stalled')?.status === 'True') return 'Stalled';
  if (object.metadata.deletionTimestamp) return 'Deleting';
  if (object.spec?.suspend) return 'Suspended';
  if (ready?.status === 'True') return ready.reason === 'Completed' ? 'Completed' : 'Ready';
  if (ready?.reason === 'Completed') return 'Completed';
  if (conditionOf(object, 'Reconciling')?.status === 'True') return 'Working';
  if (ready?.status === 'False') return 'Not ready';
  return 'Unknown';
}

/** How an object stands. @param {KubeObject} object
 * @returns {{word: string, tone: Tone, rank: number, means: string, reason: string, message: string}} */
export function stateOf(object) {
  const word = wordOf(object);
  const type = word === 'Stalled' ? 'Stalled' : word === 'Working' ? 'Reconciling' : 'Ready';
  const told = conditionOf(object, type) ?? conditionOf(object, 'Ready');
  const state = /** @type {typeof states[string]} */ (states[word]);
  return { word, ...state, reason: told?.reason ?? '', message: told?.message ?? 'Nobody has looked at it yet.' };
}

/** The instances that an object is on, or is to be. @param {KubeObject} object @returns {string[]} */
export function placesOf({ spec, status }) {
  if (status?.placements) return status.placements.map((each) => each.instance);
  const instance = status?.instance ?? spec.instance;
  return instance ? [instance] : [];
}

/** An object as it stands on one of the instances that it was placed on; as it is where it has no placement.
 * @param {KubeObject} object @param {string} instance @returns {KubeObject} */
export function seenOn(object, instance) {
  const { placements = [], ...status } = object.status ?? {};
  const placement = placements.find((each) => each.instance === instance);
  if (!placement) return object;
  const { ready, reason = '', message = '', stalled, reconciling, ...seen } = placement;
  const holds = { Ready: ready, ...(stalled && { Stalled: 'True' }), ...(reconciling && { Reconciling: 'True' }) };
  const conditions = Object.entries(holds).map(([type, held]) => ({ type, status: held, reason, message, lastTransitionTime: '' }));
  // Of actions, the last one on the first instance is told.
  const lastAction = status.instance === instance ? status.lastAction : undefined;
  return { ...object, status: { conditions, ...seen, ...(lastAction && { lastAction }) } };
}

/** What a row of the table shows and is sorted and found by; made once of each object.
 * @typedef {ReturnType<typeof makeRow>} Row */
/** @param {KubeObject} object */
function makeRow(object) {
  const { metadata, spec, status } = object;
  const state = stateOf(object);
  const namespace = metadata.namespace ?? '';
  const places = placesOf(object);
  return {
    object,
    key: `${namespace}/${metadata.name}`,
    namespace,
    name: metadata.name,
    state,
    places,
    instance: places.join(', '),
    started: Date.parse(status?.startedAt ?? ''),
    restarts: status?.restarts ?? 0,
    memory: parseQuantity(spec.memory) * Math.max(1, places.length),
    digest: status?.digest ?? '',
    acted: Date.parse(status?.lastAction?.time ?? ''),
    text: `${namespace}/${metadata.name} ${places.join(' ')} ${state.word} ${state.reason} ${state.message} ${status?.digest ?? ''}`.toLowerCase(),
  };
}

/** @type {WeakMap<KubeObject, Row>} */
const rows = new WeakMap();

/** @param {KubeObject} object @returns {Row} */
export function rowOf(object) {
  let row = rows.get(object);
  if (row === undefined) {
    row = makeRow(object);
    rows.set(object, row);
  }
  return row;
}

/** A term of a selector: "!canary", "app", "app=web", "tier notin (db, cache)". */
const term = /^\s*(!?)\s*([^\s=!(),]+)\s*(?:(==?|!=)\s*([^\s()]*)|\s(in|notin)\s*\(([^()]*)\))?\s*$/;

/** Whether labels are so, as kubectl selects: "app=web,tier notin (db, cache),canary". Of what is not a term, as while
 * somebody types, all are so. @param {Record<string, string>} labels @param {string} selector */
export function selects(labels, selector) {
  return selector.split(/,(?![^(]*\))/).every((text) => {
    const [, absent, name = '', operator, value, set, list] = term.exec(text) ?? [];
    if (name === '') return true;
    if (operator === undefined && set === undefined) return name in labels !== (absent === '!');
    const values = set === undefined ? [value] : (list ?? '').split(',').map((each) => each.trim());
    return values.includes(labels[name]) === (operator !== '!=' && set !== 'notin');
  });
}

/** The commit that a file was read at, as its instance tells: "main@2e5f00c1d3a4". @param {KubeObject} instance @param {string} file */
export function commitOf({ status }, file) {
  const roots = (status?.sources ?? []).filter(({ root }) => file.startsWith(`${root.replace(/\/$/, '')}/`));
  const revision = roots.sort((a, b) => b.root.length - a.root.length)[0]?.lastAttemptedRevision ?? '';
  return revision.replace(/sha\d+:([0-9a-f]{12})[0-9a-f]*$/, '$1');
}

/** A URL within the page. @param {string} namespace @param {string} name */
export const unikernelUrl = (namespace, name) =>
  `#/unikernels/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
