// An OpenID Provider that the portal's authors did not write, for the tests of
// this folder: npm oidc-provider with people made up as they sign in (its
// development pages take any name and password).
//
// Environment: CLIENT_ID, CLIENT_SECRET, PORTAL_URL, RESPONSE_TYPES (separated by
// commas), AUTH_METHOD (the only one the token endpoint takes), ACCESS_SECONDS
// (how long access tokens last). It listens on a free port of 127.0.0.1 and
// writes one JSON object a line to standard output: first
// {"event":"listening","issuer":…}, then what happens to tokens and sessions.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const {
  CLIENT_ID, CLIENT_SECRET, PORTAL_URL, RESPONSE_TYPES, AUTH_METHOD, ACCESS_SECONDS,
} = process.env;
const api = 'api://azts';
const tell = (event, more) => process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);

const configuration = {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    token_endpoint_auth_method: AUTH_METHOD,
    response_types: RESPONSE_TYPES.split(','),
    grant_types: ['authorization_code', 'implicit', 'refresh_token'],
    redirect_uris: [`${PORTAL_URL}/auth/callback`],
    post_logout_redirect_uris: [`${PORTAL_URL}/auth/signed-out`],
    backchannel_logout_uri: `${PORTAL_URL}/auth/backchannel-logout`,
    backchannel_logout_session_required: true,
  }, {
    client_id: 'command-line', // a public client, as a tool on people's machines is
    token_endpoint_auth_method: 'none',
    response_types: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    redirect_uris: [],
  }],
  responseTypes: RESPONSE_TYPES.split(','),
  clientAuthMethods: [AUTH_METHOD, 'none'],
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email'], profile: ['name', 'preferred_username'] },
  conformIdTokenClaims: false, // profile claims in the ID token, as Entra has them
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of the foreign provider`, preferred_username: `${id}@example.com`, email: `${id}@example.com` }),
  }),
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  // The library refuses to call addresses of this machine, where the portal is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  ttl: { AccessToken: Number(ACCESS_SECONDS), IdToken: 600, RefreshToken: 3600, Grant: 3600, Session: 3600, Interaction: 600 },
  features: {
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    devInteractions: { enabled: true },
    claimsParameter: { enabled: true },
    deviceFlow: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: `${api}/user_impersonation`, audience: api, accessTokenFormat: 'jwt' }),
    },
  },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  // The library wants https for hybrid clients; its documentation shows this
  // way out for a portal on http://localhost.
  const { invalidate } = provider.Client.Schema.prototype;
  provider.Client.Schema.prototype.invalidate = function (message, code) {
    if (code !== 'implicit-force-https' && code !== 'implicit-forbid-localhost') invalidate.call(this, message);
  };
  for (const event of ['grant.success', 'grant.revoked', 'refresh_token.consumed', 'end_session.success', 'backchannel.success']) {
    provider.on(event, () => tell(event));
  }
  for (const event of ['server_error', 'grant.error', 'authorization.error', 'end_session.error']) {
    provider.on(event, (_, err) => tell(event, { error: `${err.message}: ${err.error_description ?? err.stack}` }));
  }
  provider.on('backchannel.error', (_, err) => tell('backchannel.error', { error: err.message }));
  server.on('request', provider.callback());
  tell('listening', { issuer });
});
// Standard input ends with the test: no server outlives it, however it died.
process.stdin.resume().on('end', () => process.exit(0));
