// What is about to be done, step by step and field by field: as `rookery plan` tells it.
import { html } from './html.js';
import { local, shortDigest, span } from './format.js';
import { unikernelUrl } from './state.js';

/** @typedef {import('./types.js').PlannedChange} PlannedChange */
/** @typedef {import('./types.js').PlannedField} PlannedField */

/** A sign and words for what a step does. @type {Record<string, {sign: string, word: string, tone: string}>} */
const verbs = {
  create: { sign: '+', word: 'Create', tone: 'good' },
  forceCreate: { sign: '~', word: 'Replace', tone: 'warn' },
  restart: { sign: '~', word: 'Restart', tone: 'warn' },
  destroy: { sign: '−', word: 'Destroy', tone: 'bad' },
  adopt: { sign: '=', word: 'Take over', tone: 'work' },
  applyPolicy: { sign: '~', word: 'Set limits', tone: 'warn' },
  createVolume: { sign: '+', word: 'Make volume', tone: 'good' },
  setVolume: { sign: '~', word: 'Write volume', tone: 'warn' },
  destroyVolume: { sign: '−', word: 'Remove volume', tone: 'bad' },
};

/** @param {{verb: string}} props */
export function Verb({ verb }) {
  const { sign, word, tone } = verbs[verb] ?? { sign: '~', word: verb, tone: 'warn' };
  return html`<span class="badge ${tone}"><span aria-hidden="true">${sign} </span>${word}</span>`;
}

/** @param {any} value @returns {string} */
function textOf(value) {
  if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) return 'none';
  if (typeof value === 'string') return /^[0-9a-f]{64}$/.test(value) ? shortDigest(value) : value;
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  if (typeof value === 'object') return Object.entries(value).map(([name, each]) => `${name}: ${textOf(each)}`).join(', ');
  return String(value);
}

/** @param {any} value @returns {any[] | undefined} a list that has a line for each */
const linesIn = (value) => (Array.isArray(value) && value.some((each) => typeof each !== 'number') ? value : undefined);

/** A value, with what `other` lacks marked. @param {{value: any, other: any, tag: 'del' | 'ins'}} props */
export function Value({ value, other, tag }) {
  const lines = linesIn(value);
  if (!lines) return html`<bdi title=${typeof value === 'string' ? value : undefined}>${textOf(value)}</bdi>`;
  const others = new Set((linesIn(other) ?? []).map(textOf));
  return html`<ul class="plain mono">${lines.map((each) => {
    const text = textOf(each);
    return html`<li>${others.has(text) ? html`<bdi>${text}</bdi>` : html`<${tag}><bdi>${text}</bdi><//>`}</li>`;
  })}</ul>`;
}

/** @param {{fields: PlannedField[], runs: boolean}} props */
const Fields = ({ fields, runs }) => html`
  <table class="facts fields">
    <thead><tr><th scope="col">Field</th>${runs && html`<th scope="col">Runs</th>`}<th scope="col">${runs ? 'Becomes' : 'Is to be'}</th></tr></thead>
    <tbody>${fields.map((field) => html`
      <tr><th scope="row" class="mono">${field.path.replace(/^spec\./, '')}</th>
        ${runs && html`<td><${Value} value=${field.old} other=${field.new} tag="del" /></td>`}
        <td><${Value} value=${field.new} other=${runs ? field.old : field.new} tag="ins" /></td></tr>`)}</tbody>
  </table>
`;

/** @param {PlannedChange} change */
const nameOf = ({ kind, namespace, name }) => {
  const text = `${namespace}${namespace && '/'}${name}`;
  return kind === 'Unikernel' ? html`<a href=${unikernelUrl(namespace, name)}>${text}</a>` : html`${kind} ${text}`;
};

/** When it is taken. @param {{change: PlannedChange, now: number}} props */
function When({ change, now }) {
  if (change.waits) return html`<span class="tag">waits</span>`;
  if (!change.notBefore) return null;
  const at = Date.parse(change.notBefore);
  return html`<span class="tag">not before <time datetime=${change.notBefore}>${local(change.notBefore)}</time>${at > now ? `, in ${span(at - now)}` : ''}</span>`;
}

/** One step. `about`: whether it says which object it is about, rather than where. @param {{change: PlannedChange, now: number, about?: boolean}} props */
export const Change = ({ change, now, about = true }) => html`
  <${Verb} verb=${change.verb} />
  <div>
    <p>${about ? nameOf(change) : html`on ${change.instance}:`} <b>${change.reason}</b> <${When} change=${change} now=${now} /></p>
    ${change.message && html`<p><bdi>${change.message}</bdi></p>`}
    ${change.fields.length > 0 && html`
      <details open=${change.verb !== 'create'}><summary>${change.fields.length === 1 ? 'One field' : `${change.fields.length} fields`}</summary>
        <${Fields} fields=${change.fields} runs=${!change.verb.startsWith('create')} /></details>`}
  </div>
`;
