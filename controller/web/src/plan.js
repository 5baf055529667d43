// What is about to be done on each instance and why, field by field; what waits, and what waits for somebody.
import { html, useState } from './html.js';
import { Change } from './changes.js';
import { counted } from './format.js';
import { namespaceIn } from './fleet.js';
import { session, wordsOf } from './session.js';
import { conditionOf, placesOf, stateOf, unikernelUrl } from './state.js';
import { collectionOf, pathOf, useCan, useCollection, usePolled } from './store.js';
import { Age, Badge, Dialog, ListState, Notice, useNow, useTitle } from './ui.js';

/** @typedef {import('./types.js').KubeObject} KubeObject */
/** @typedef {import('./types.js').Plan} PlanOf */

const annotation = 'rookery.dev/confirm-prune';
const guardReasons = ['PruneGuard', 'PruneBlocked'];
const mostShown = 200;
const period = 3_000;

/** The sets that the prune guard withholds on an instance, by the IDs in its message. @param {KubeObject} instance @returns {string[]} */
export function withheldIn(instance) {
  const message = conditionOf(instance, 'Ready')?.message ?? '';
  if (!/confirm/.test(message)) return [];
  return [...new Set([...message.matchAll(/(?<![0-9a-z])[0-9a-f]{12}(?![0-9a-z])/g)].map(([id]) => id))];
}

/** @param {{instance: KubeObject, id: string, members: {kind: string, namespace: string, name: string}[]}} props */
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
      ${members.length > 0 && html`<p>Kept on ${name}:</p><ul class="plain">${members.slice(0, mostShown).map((each) => html`<li>${each.kind === 'Unikernel' ? '' : `${each.kind} `}${each.namespace}/${each.name}</li>`)}</ul>
        ${members.length > mostShown && html`<p class="dim">And ${counted(members.length - mostShown, 'more', 'more')}.</p>`}`}
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
          <span class="dim">${placesOf(object).join(', ')}</span> <b>${state.reason}</b> <${Age} time=${since} now=${now} />
          <p><bdi>${state.message}</bdi></p></div></li>`;
      })}
    </ul>
    ${objects.length > mostShown && html`<p class="dim">And ${counted(objects.length - mostShown, 'more', 'more')}.</p>`}
  </section>
`;

/** What the loop of an instance is about to do there. @param {{plan: PlanOf, now: number}} props */
function OfInstance({ plan, now }) {
  const { name } = plan.metadata;
  const self = `AlbatrossInstance ${name}`;
  const sorted = plan.changes.filter((each) => !each.waits && !each.notBefore).concat(plan.changes.filter((each) => each.waits || each.notBefore));
  const left = plan.notPruned ?? [];
  return html`
    <section class="planned" aria-labelledby="plan-${name}">
      <header class="head"><h3 id="plan-${name}"><a href="#/?instance=${encodeURIComponent(name)}">${name}</a></h3>
        <p class="dim small">${plan.observedAt ? html`looked at <${Age} time=${plan.observedAt} now=${now} /> ago` : 'not looked at yet'}</p></header>
      ${plan.errors.slice(0, mostShown).map((error) => html`<p class="bad">${error.object === self ? '' : html`<b>${error.object}</b>: `}<bdi>${error.message}</bdi></p>`)}
      ${sorted.length > 0 && html`<ol class="tasks">${sorted.slice(0, mostShown).map((change) => html`<li key=${`${change.kind} ${change.namespace}/${change.name} ${change.verb}`}><${Change} change=${change} now=${now} /></li>`)}</ol>`}
      ${left.length > 0 && html`<p class="dim">Not declared any more, and left, as pruning is off: ${left.slice(0, mostShown).map((each) => `${each.namespace}/${each.name}`).join(', ')}.</p>`}
      ${Math.max(0, sorted.length - mostShown) + (plan.changesLeftOut ?? 0) > 0 && html`<p class="dim">And ${counted(Math.max(0, sorted.length - mostShown) + (plan.changesLeftOut ?? 0), 'more step')}.</p>`}
    </section>
  `;
}

/** `told`: objects, as errors name them, of which the page says already what is in their way.
 * `sets`: those of which it asks. @param {{plans: PlanOf[], told: Set<string>, sets: string[], now: number}} props */
function Plans({ plans: all, told, sets, now }) {
  const isNews = (/** @type {{object: string, message: string}} */ error) => !told.has(error.object) && !sets.some((id) => error.message.includes(id));
  const plans = all.map((each) => ({ ...each, errors: each.errors.filter(isNews) }));
  const busy = plans.filter((each) => each.changes.length > 0 || each.errors.length > 0 || (each.notPruned ?? []).length > 0);
  const idle = plans.filter((each) => !busy.includes(each));
  return html`
    <section aria-labelledby="plans"><h2 id="plans">Step by step</h2>
      ${busy.map((plan) => html`<${OfInstance} key=${plan.metadata.name} plan=${plan} now=${now} />`)}
      ${idle.length > 0 && html`<p class="dim">Nothing is to be done on ${idle.slice(0, mostShown).map((each) => each.metadata.name).join(', ')}.</p>`}
    </section>
  `;
}

export function Plan() {
  useTitle('Plan');
  const now = useNow();
  const namespace = namespaceIn('');
  const may = useCan({ verb: 'list', resource: 'instanceplans' });
  const { value: planList, error: planError } = usePolled(may?.allowed ? pathOf('instanceplans') : undefined, period);
  /** @type {PlanOf[]} */
  const plans = planList?.items ?? [];
  const unikernels = useCollection(collectionOf('unikernels', namespace));
  const instances = useCollection(collectionOf('albatrossinstances'));
  const policies = useCollection(collectionOf('unikernelpolicies', namespace));
  const objects = [...instances.items.values(), ...policies.items.values(), ...unikernels.items.values()];
  const of = (/** @type {string[]} */ ...words) => objects.filter((each) => words.includes(stateOf(each).word));
  /** Who is of a set: as the plan of its instance says, or, for whoever may not see that, by their reasons. */
  const membersOf = (/** @type {KubeObject} */ instance, /** @type {string} */ id) => {
    const plan = plans.find((each) => each.metadata.name === instance.metadata.name);
    if (plan) return (plan.withheld ?? []).filter((each) => each.set === id);
    if (sets.filter((set) => set.instance === instance).length > 1) return [];
    return blocked.filter((each) => placesOf(each).includes(instance.metadata.name)).map(({ kind, metadata }) => ({ kind, namespace: metadata.namespace ?? '', name: metadata.name }));
  };
  const blocked = [...unikernels.items.values()].filter((each) => guardReasons.includes(stateOf(each).reason));
  const sets = [...instances.items.values()].flatMap((instance) => withheldIn(instance).map((id) => ({ instance, id })));
  const stalled = of('Stalled', 'Not ready', 'Unknown');
  // Of what is withheld, the question itself says all.
  const withheld = new Set(sets.flatMap(({ instance, id }) => membersOf(instance, id)).map((each) => `${each.kind} ${each.namespace}/${each.name}`));
  const waiting = stalled.filter(({ kind, metadata }) => !withheld.has(`${kind} ${metadata.namespace ?? ''}/${metadata.name}`));
  const told = new Set(stalled.slice(0, mostShown).map(({ kind, metadata }) => `${kind} ${metadata.namespace ? `${metadata.namespace}/` : ''}${metadata.name}`));
  return html`
    <h1>Plan</h1>
    <p class="lead dim">What is about to be done and why, as each instance was seen last. What an edit would do before it is made, <code>rookery plan -f</code> shows in the same way.</p>
    <${ListState} collection=${unikernels} what="unikernels" />
    ${sets.length > 0 && html`<section aria-labelledby="withheld"><h2 id="withheld">The prune guard asks</h2>
      <div class="cards">${sets.map(({ instance, id }) => html`<${Withheld} key=${id} instance=${instance} id=${id}
        members=${membersOf(instance, id)} />`)}</div></section>`}
    <${Group} id="stalled" title="Waits for somebody" empty="Nothing waits for you." objects=${waiting} now=${now} />
    ${may && !may.allowed && html`<${Notice} title="You may not see the steps.">${may.reason}<//>`}
    ${planError && html`<${Notice} tone="bad" title="The steps cannot be seen now.">${planError}<//>`}
    ${planList ? html`<${Plans} plans=${plans} told=${told} sets=${sets.map((each) => each.id)} now=${now} />` : null}
    ${!may?.allowed && html`<${Group} id="working" title="Is being done" empty="Nothing differs from what is declared." objects=${of('Working', 'Deleting')} now=${now} />`}
    <${Group} id="suspended" title="Is left alone" empty="Nothing is suspended." objects=${of('Suspended')} now=${now} />
    ${instances.state === 'refused' && html`<${Notice} title="You may not list instances.">What the prune guard withholds is told on them.<//>`}
  `;
}
