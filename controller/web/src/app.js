// The frame of all views: where one is, who one is, and whether what is shown is still so.
import { html, render, useEffect, useRef, useState } from './html.js';
import { span } from './format.js';
import { Fleet } from './fleet.js';
import { usePlace } from './route.js';
import { session } from './session.js';
import { SignIn } from './signin.js';
import { forgetAll, lost } from './store.js';
import { Notice, useNow, useTitle } from './ui.js';

/** Views that are seldom needed come when they are. @param {{load: () => Promise<any>, name: string, props?: any}} props */
function Later({ load, name, props }) {
  const [view, setView] = useState(/** @type {any} */ (null));
  const [error, setError] = useState('');
  useEffect(() => {
    load().then((module) => setView(() => module[name]), () => setError('The server cannot be reached. Load this page again.'));
  }, []);
  if (error) return html`<${Notice} tone="bad" title=${error} />`;
  return view ? html`<${view} ...${props ?? {}} />` : html`<p class="dim" role="status">Loading …</p>`;
}

const loadUnikernel = () => import('./unikernel.js');
// Most go there next: it is there by then, also where the server is not any more.
setTimeout(() => loadUnikernel().catch(() => {}), 1500);

/** Says when what is shown may not be so any more. */
function Connection() {
  const [, render] = useState(0);
  const now = useNow();
  useEffect(() => {
    const changed = () => render((/** @type {number} */ count) => count + 1);
    addEventListener('rookery-connection', changed);
    return () => removeEventListener('rookery-connection', changed);
  }, []);
  const missing = lost();
  if (!missing) return html`<p class="connection" role="status"></p>`;
  return html`
    <p class="connection lost" role="status">
      <b>Disconnected</b> since <span aria-hidden="true">${span(now - (missing.since ?? now))}</span>, trying again. What is shown is from before. <span class="dim">${missing.error}</span>${' '}
      <button type="button" class="small" onClick=${() => missing.retry()}>Try now</button>
    </p>
  `;
}

function NotFound() {
  useTitle('Not found');
  return html`<h1>Not found</h1><${Notice} title="This page has no such view."><a href="#/">To the fleet</a><//>`;
}

/** Whoever sends a link can write anything into it; what no object can be called is not asked for. */
const couldBeName = /^[\w.-]{1,253}$/;

function View() {
  const { path, query } = usePlace();
  const [view = '', ...rest] = path;
  if (view === 'signin') return html`<${SignIn} />`;
  if (view === 'unikernels' && rest.length === 2 && rest.every((name) => couldBeName.test(name))) return html`<${Later} key=${rest.join('/')} load=${loadUnikernel} name="Unikernel" props=${{ namespace: rest[0], name: rest[1] }} />`;
  if (view === 'deploy') return html`<${Later} key="deploy" load=${() => import('./deploy.js')} name="Deploy" props=${{ instance: rest[0], namespace: query.namespace }} />`;
  if (view === 'plan') return html`<${Later} key="plan" load=${() => import('./plan.js')} name="Plan" />`;
  if (view === '') return html`<${Fleet} />`;
  return html`<${NotFound} />`;
}

function Page() {
  const [, render] = useState(0);
  const { path } = usePlace();
  const [isLost, setLost] = useState(false);
  const main = useRef(/** @type {any} */ (null));
  useEffect(() => {
    const changed = () => {
      if (session.state === 'out') forgetAll();
      render((/** @type {number} */ count) => count + 1);
    };
    const connection = () => setLost(lost() !== undefined);
    addEventListener('rookery-connection', connection);
    session.addEventListener('change', changed);
    void session.begin();
    return () => {
      removeEventListener('rookery-connection', connection);
      session.removeEventListener('change', changed);
    };
  }, []);
  const where = path.join('/');
  const before = useRef(where);
  useEffect(() => {
    if (before.current === where) return;
    before.current = where;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [where]);
  const current = (/** @type {string} */ name) => ((path[0] ?? '') === name || (name === '' && path[0] === 'unikernels') ? 'page' : undefined);
  const content = { asking: null, out: html`<${SignIn} />`, unreachable: html`<${Unreachable} />`, in: html`<${View} />` }[session.state];
  return html`
    <button type="button" class="skip" onClick=${() => main.current?.focus()}>Skip to the content</button>
    <header class="top">
      <a class="brand" href="#/">Rookery</a>
      ${session.state !== 'out' && html`<nav aria-label="Views">
        <a href="#/" aria-current=${current('')}>Fleet</a>
        <a href="#/plan" aria-current=${current('plan')}>Plan</a>
        <a href="#/deploy" aria-current=${current('deploy')}>Deploy</a>
      </nav>`}
      <span class="who">
        ${session.state === 'in' && (session.authenticated
          ? html`<span>${session.name}</span> <button type="button" class="small" onClick=${() => session.signOut()}>Sign out</button>`
          : html`<span class="dim">reading, not signed in</span> <a href="#/signin">Sign in</a>`)}
      </span>
    </header>
    <${Connection} />
    <main ref=${main} tabindex="-1" class=${isLost ? 'before' : ''}>${content}</main>
  `;
}

function Unreachable() {
  useEffect(() => {
    const timer = setInterval(() => session.begin(), 3000);
    return () => clearInterval(timer);
  }, []);
  return html`<h1>Rookery</h1><${Notice} tone="bad" title="The server does not answer.">${session.refusal} Trying again every 3 s.<//>`;
}

const root = /** @type {HTMLElement} */ (document.getElementById('page'));
root.replaceChildren();  // what was there to be seen meanwhile
render(html`<${Page} />`, root);
