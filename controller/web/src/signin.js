// Says who sits here, where a browser's certificate does not.
import { html, useState } from './html.js';
import { session } from './session.js';
import { Notice, useTitle } from './ui.js';

export function SignIn() {
  useTitle('Sign in');
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const plain = location.protocol === 'http:';
  const signIn = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    await session.signIn(token.trim());
    setBusy(false);
    if (session.state === 'in') {
      setToken('');
      if (location.hash.startsWith('#/signin')) location.hash = '#/';
    }
  };
  return html`
    <h1>Sign in</h1>
    ${session.refusal && html`<${Notice} tone="bad" title="You are not let in.">${session.refusal === 'Unauthorized' ? 'The server knows no such token.' : session.refusal}<//>`}
    ${plain && html`<${Notice} title="Without TLS, one only reads.">Whoever is on this machine may read. To change something, start rookery run with --tls-cert, --tls-key, --api-store and --api-token-file, and open https:// here.<//>`}
    <form class="signin" onSubmit=${signIn}>
      <label>Bearer token
        <input type="password" name="token" value=${token} required autocomplete="off" onInput=${(/** @type {any} */ event) => setToken(event.target.value)} />
      </label>
      <p class="dim">It is kept in this tab until you sign out or close it, and sent to this server only.</p>
      <button type="submit" class="primary" disabled=${busy || token.trim() === ''}>${busy ? 'Asking …' : 'Sign in'}</button>
    </form>
    <p class="dim">Or import a client certificate that <code>--tls-client-ca</code> has signed into the browser, and load this page again: it needs no token then.</p>
  `;
}
