// A unikernel that runs on several instances: how it stands on each, and how far its roll-out has come.
import { html, useState } from './html.js';
import { counted, shortDigest } from './format.js';
import { session, wordsOf } from './session.js';
import { seenOn, stateOf, unikernelUrl } from './state.js';
import { pathOf, useCan } from './store.js';
import { Age, Badge, Meter } from './ui.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */
/** @typedef {import('./types.js').Placement} Placement */
/** @typedef {import('./types.js').Source} Source */

const pauseAnnotation = 'rookery.dev/rollout-pause';
const resumeAnnotation = 'rookery.dev/rollout-resume';

/** What lets a roll-out go on, or stops it: annotations. @param {string} revision @param {boolean} paused */
const changesOf = (revision, paused) => (paused ? { [pauseAnnotation]: null, ...(revision && { [resumeAnnotation]: revision }) } : { [pauseAnnotation]: 'true' });

/** @param {{object: KubeObject, source: Source | undefined, waits: boolean}} props */
function RolloutActions({ object, source, waits }) {
  const { name, namespace = '', annotations } = object.metadata;
  const verdict = useCan({ verb: 'patch', resource: 'unikernels', namespace, name });
  const [told, setTold] = useState({ text: '', bad: false });
  const revision = object.status?.rollout?.revision ?? '';
  const paused = annotations?.[pauseAnnotation] === 'true';
  const act = async (/** @type {boolean} */ resume) => {
    try {
      await session.json(pathOf('unikernels', namespace, name), { method: 'PATCH', type: 'application/merge-patch+json', body: { metadata: { annotations: changesOf(revision, resume) } } });
      setTold({ text: resume ? 'It goes on.' : 'Nothing more is stopped to change it.', bad: false });
    } catch (error) {
      setTold({ text: wordsOf(error), bad: true });
    }
  };
  if (!verdict || !source) return null;
  if (!verdict.allowed || !source.writable) {
    return (paused || waits) && html`<p class="dim">${paused ? `It goes on without the annotation ${pauseAnnotation}` : 'If it waits for somebody, it goes on'} with the annotation <code>${resumeAnnotation}: "${revision}"</code>${source.file && html` in <code>${source.file}</code>`}.</p>`;
  }
  return html`
    <p class="actions">
      ${(paused || waits) && html`<button type="button" onClick=${() => act(true)}>Let it go on</button>`}
      ${!paused && html`<button type="button" onClick=${() => act(false)}>Pause it</button>`}
      <span role=${told.bad ? 'alert' : 'status'} class=${told.bad ? 'bad' : 'dim'}>${told.text}</span>
    </p>
  `;
}

/** @param {{object: KubeObject, placement: Placement, shown: boolean, now: number}} props */
function OnInstance({ object, placement, shown, now }) {
  const { instance, message, digest, startedAt, restarts = 0, updated } = placement;
  const { word, tone, means, reason } = stateOf(seenOn(object, instance));
  return html`
    <${Badge} tone=${tone} word=${word} title=${means} />
    <div>
      <p><a href="${unikernelUrl(object.metadata.namespace ?? '', object.metadata.name)}?instance=${encodeURIComponent(instance)}" aria-current=${shown ? 'true' : undefined}>${instance}</a>
        ${' '}<b>${reason}</b> ${updated === false && html`<span class="tag">not updated yet</span> `}${shown && html`<span class="tag">shown below</span>`}</p>
      ${message && html`<p><bdi>${message}</bdi></p>`}
      <p class="dim small">${startedAt ? html`runs for <${Age} time=${startedAt} now=${now} />` : 'does not run'}${digest && html`, image <span class="mono" title=${digest}>${shortDigest(digest)}</span>`}, ${counted(restarts, 'restart')}</p>
    </div>
  `;
}

/** `shown`: the instance whose life, usage and console the view shows.
 * @param {{object: KubeObject, source: Source | undefined, shown: string, now: number}} props */
export function Placements({ object, source, shown, now }) {
  const placements = object.status?.placements ?? [];
  const { replicas = placements.length, updated = 0, ready = 0 } = object.status?.rollout ?? {};
  const rolls = updated < replicas;
  const waits = placements.some((each) => each.reason === 'UpdatePending');
  return html`
    <section aria-labelledby="placements"><h2 id="placements">Where it runs</h2>
      <div class="charts">
        <${Meter} label="Updated" used=${updated} total=${replicas} show=${String} goal />
        <${Meter} label="Ready" used=${ready} total=${replicas} show=${String} goal />
      </div>
      ${(rolls || waits || object.metadata.annotations?.[pauseAnnotation]) && html`<${RolloutActions} object=${object} source=${source} waits=${waits} />`}
      <ul class="tasks">${placements.map((placement) => html`<li key=${placement.instance}>
        <${OnInstance} object=${object} placement=${placement} shown=${placement.instance === shown} now=${now} /></li>`)}</ul>
    </section>
  `;
}
