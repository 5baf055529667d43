// What is about to be done, what waits, and what waits for somebody: by what each object's conditions say.
import { html, useState } from './html.js';
import { counted } from './format.js';
import { namespaceIn } from './fleet.js';
import { session, wordsOf } from './session.js';
import { conditionOf, stateOf, unikernelUrl } from './state.js';
import { collectionOf, pathOf, useCan, useCollection, usePolled } from './store.js';
import { Age, Badge, Dialog, ListState, Notice, useNow, useTitle } from './ui.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */

const annotation = 'rookery.dev/confirm-prune';
const guardReasons = ['PruneGuard', 'PruneBlocked'];
const mostShown = 200;

/** The sets that the prune guard withholds on an instance, by the IDs in its message. @param {KubeObject} instance @returns {string[]} */
export function withheldIn(instance) {
  const message = conditionOf(instance, 'Ready')?.message ?? '';
  if (!/confirm/.test(message)) return [];
  return [...new Set([...message.matchAll(/(?<![0-9a-z])[0-9a-f]{12}(?![0-9a-z])/g)].map(([id]) => id))];
}

/** @param {{instance: KubeObject, id: string, members: KubeObject[]}} props */
function Withheld({ instance, id, members }) {
  const { name, annotations } = instance.metadata;
  const path = pathOf('albatrossinstances', undefined, name);
  const verdict = useCan({ verb: 'patch', resource: 'albatrossinstances', name });
  const { value: source } = usePolled(`${path}/source`, 60_000);
  const [asked, setAsked] = useState(false);
  const [told, setTold] = useState('');
  const confirmed = (annotations?.[annotation] ?? '').split(/[\s,]+/).includes(id);
  const confirm = async () => {
    setAsked(false);
    try {
      const all = [annotations?.[annotation], id].filter(Boolean).join(',');
      // With the version that was seen: what others confirm at the same time stays.
      await session.json(path, { method: 'PATCH', type: 'application/merge-patch+json', body: { metadata: { resourceVersion: instance.metadata.resourceVersion, annotations: { [annotation]: all } } } });
      setTold('Confirmed: the set is destroyed now.');
    } catch (error) {
      setTold(wordsOf(error));
    }
  };
  const may = verdict?.allowed && source?.writable;
  return html`
    <article class="card withheld" aria-labelledby="set-${id}">
      <header><h3 id="set-${id}">Set <code>${id}</code> on ${name}</h3><${Badge} tone="warn" word="Withheld" /></header>
      <p><bdi>${conditionOf(instance, 'Ready')?.message}</bdi></p>
      ${members.length > 0 && html`<p>Kept on ${name}:</p><ul class="plain">${members.slice(0, mostShown).map((each) => html`<li><a href=${unikernelUrl(each.metadata.namespace ?? '', each.metadata.name)}>${each.metadata.namespace}/${each.metadata.name}</a></li>`)}</ul>`}
      ${confirmed ? html`<p role="status">It is confirmed already.</p>`
        : may ? html`<button type="button" class="danger" onClick=${() => setAsked(true)}>Let this set be destroyed</button>`
        : verdict && source && html`<p class="dim">You cannot confirm it here: ${verdict.allowed
            ? html`${name} is declared in <code>${source.file}</code>, which this API does not write. Write the annotation <code>${annotation}: ${id}</code> there`
            : verdict.reason}. On the machine of the controller, <code>rookery confirm-prune ${id}</code> does it.</p>`}
      <p role="status">${told}</p>
      ${asked && html`
        <${Dialog} title="Destroy the set ${id}?" onClose=${() => setAsked(false)}>
          <p>What vanished from the manifests, and is of this set, is destroyed on ${name}. That cannot be taken back.</p>
          <div class="buttons"><button type="button" class="danger" onClick=${confirm}>Destroy it</button><button type="button" onClick=${() => setAsked(false)}>Cancel</button></div>
        <//>`}
    </article>
  `;
}

/** @param {{title: string, id: string, empty: string, objects: KubeObject[], now: number}} props */
const Group = ({ title, id, empty, objects, now }) => html`
  <section aria-labelledby=${id}>
    <h2 id=${id}>${title} ${objects.length > 0 && html`<span class="dim">${objects.length}</span>`}</h2>
    ${objects.length === 0 && html`<p class="dim">${empty}</p>`}
    <ul class="tasks">
      ${objects.slice(0, mostShown).map((object) => {
        const state = stateOf(object);
        const { namespace = '', name } = object.metadata;
        const since = conditionOf(object, state.word === 'Working' ? 'Reconciling' : 'Ready')?.lastTransitionTime;
        return html`<li key=${object.metadata.uid}>
          <${Badge} tone=${state.tone} word=${state.word} title=${state.means} />
          <div>${object.kind === 'Unikernel' ? html`<a href=${unikernelUrl(namespace, name)}>${namespace}/${name}</a>` : html`<span>${object.kind} ${namespace}${namespace && '/'}${name}</span>`}${' '}
          <span class="dim">${object.status?.instance ?? object.spec.instance ?? ''}</span> <b>${state.reason}</b> <${Age} time=${since} now=${now} />
          <p><bdi>${state.message}</bdi></p></div></li>`;
      })}
    </ul>
    ${objects.length > mostShown && html`<p class="dim">And ${counted(objects.length - mostShown, 'more', 'more')}.</p>`}
  </section>
`;

export function Plan() {
  useTitle('Plan');
  const now = useNow();
  const namespace = namespaceIn('');
  const unikernels = useCollection(collectionOf('unikernels', namespace));
  const instances = useCollection(collectionOf('albatrossinstances'));
  const policies = useCollection(collectionOf('unikernelpolicies', namespace));
  const objects = [...instances.items.values(), ...policies.items.values(), ...unikernels.items.values()];
  const of = (/** @type {string[]} */ ...words) => objects.filter((each) => words.includes(stateOf(each).word));
  const blocked = [...unikernels.items.values()].filter((each) => guardReasons.includes(stateOf(each).reason));
  const sets = [...instances.items.values()].flatMap((instance) => withheldIn(instance).map((id) => ({ instance, id })));
  return html`
    <h1>Plan</h1>
    <p class="lead dim">What is about to be done and why, as it was judged last. What an edit would do before it is made, <code>rookery plan</code> shows field by field.</p>
    <${ListState} collection=${unikernels} what="unikernels" />
    ${sets.length > 0 && html`<section aria-labelledby="withheld"><h2 id="withheld">The prune guard asks</h2>
      <div class="cards">${sets.map(({ instance, id }) => html`<${Withheld} key=${id} instance=${instance} id=${id}
        members=${blocked.filter((each) => (each.status?.instance ?? each.spec.instance) === instance.metadata.name && sets.filter((set) => set.instance === instance).length === 1)} />`)}</div></section>`}
    <${Group} id="stalled" title="Waits for somebody" empty="Nothing waits for you." objects=${of('Stalled', 'Not ready', 'Unknown')} now=${now} />
    <${Group} id="working" title="Is being done" empty="Nothing differs from what is declared." objects=${of('Working', 'Deleting')} now=${now} />
    <${Group} id="suspended" title="Is left alone" empty="Nothing is suspended." objects=${of('Suspended')} now=${now} />
    ${instances.state === 'refused' && html`<${Notice} title="You may not list instances.">What the prune guard withholds is told on them.<//>`}
  `;
}
