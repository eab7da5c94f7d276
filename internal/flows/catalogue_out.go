package flows

var outFlows = []Flow{
	{
		ID: "sign-out", Group: Out, Title: "Sign-out, and single sign-out",
		Summary:   "The application ends its own session, then the tenant's; the tenant tells all other applications in this browser.",
		UseWhen:   []string{"Somebody signs out, at a shared desk above all."},
		AvoidWhen: []string{"A lost device: that takes “revoke sessions”. Sign-out reaches this browser only."},
		Parties:   []Party{Browser, Portal, Tenant},
		Messages: []Message{
			{ID: "local", From: Browser, To: Portal, Name: "Sign out here", What: "A form of the portal's own. The session and its tokens go first: whatever follows may fail.", V2: "POST {portal}/auth/logout"},
			{ID: "end", From: Browser, To: Tenant, Name: "Sign-out request (RP-initiated)", What: "The portal sends the browser on, with a hint of who it was.",
				Parameters: []Parameter{{"post_logout_redirect_uri", Optional, Recommended, "Where to come back to. Not registered: a plain page of the tenant's."}, {"logout_hint", Absent, Recommended, "The value of the claim login_hint: nobody has to pick an account."},
					{"id_token_hint", Absent, Optional, "The ID token of the session. Taken, but its effect is not documented."}, {"state", Absent, Optional, "Comes back, for information."}},
				V1: "GET {login}/{tenant}/oauth2/logout?post_logout_redirect_uri={portal}/auth/signed-out",
				V2: "GET {login}/{tenant}/oauth2/v2.0/logout?post_logout_redirect_uri={portal}/auth/signed-out\n  &logout_hint=…&state=…"},
			{ID: "frontchannel", From: Browser, To: Portal, Name: "Front-channel logout", What: "The tenant's page opens each application's logout URL in a hidden frame. No cookie is needed: sid says which session. It must load in a frame and answer at once.",
				Parameters: []Parameter{{"sid", Optional, Required, "The session; the same value as session_state at sign-in."}, {"iss", Optional, Optional, "Entra leaves it out. If it is there it must agree."}},
				V2:         "GET {portal}/auth/frontchannel-logout?sid=…"},
			{ID: "back", From: Browser, To: Portal, Name: "Back again", What: "The page that says what has ended and what has not.", V2: "GET {portal}/auth/signed-out?state=…"},
		},
		Commands: []Command{
			{Tool: "Azure CLI", Code: "az logout\naz account clear", Note: "Forgets the tool's own tokens; the browser stays signed in."},
			{Tool: "Az PowerShell", Code: "Disconnect-AzAccount"},
			{Tool: "Get-MsalToken", Code: "Clear-MsalTokenCache"}},
		Risks: []string{"Access tokens that are out stay good until they end; refresh tokens too: the application must erase them.", "Where third-party cookies are blocked, a frame without a cookie can only be told by sid.",
			"The tenant does not say whether an application has listened."},
		Places:     []Place{InLab},
		PlacesNote: "Against your tenant you run it whenever you sign out.",
	},
}

var legacyFlows = []Flow{
	{
		ID: "implicit", Group: Legacy, Title: "Implicit",
		Summary:   "The access token itself comes in the address, for scripts in the page. It was made before browsers could ask other sites.",
		UseWhen:   []string{"Never for anything new."},
		AvoidWhen: []string{"Always: a single-page application takes the code with PKCE."},
		Parties:   []Party{Browser, Tenant, AzTS},
		Messages: []Message{
			{ID: "authorize", From: Browser, To: Tenant, Name: "Authorization request", What: "“Access tokens” must be ticked in the registration (700051).",
				Parameters: authorize("id_token token", "fragment: what stands behind # is not sent to servers, but stays in the browser's history.", "openid and the scopes of one API.", "code_challenge", "code_challenge_method"),
				V1:         "GET {login}/{tenant}/oauth2/authorize?client_id={client}&response_type=token\n  &resource={uri}&redirect_uri=…&state=…",
				V2:         "GET {login}/{tenant}/oauth2/v2.0/authorize?client_id={client}&response_type=id_token token\n  &scope=openid {scope}&response_mode=fragment&redirect_uri=…&state=…&nonce=…"},
			{ID: "answer", From: Tenant, To: Browser, Name: "Answer in the fragment", What: "The token is in the address. at_hash in the ID token binds the two.", V2: "302\nLocation: https://…/#access_token=…&token_type=Bearer&expires_in=3599&id_token=…&state=…"},
			{ID: "call", From: Browser, To: AzTS, Name: "Call of the API", What: "From the page itself.", Parameters: []Parameter{apiCall}, V2: "POST {api}/ComplianceSummary/search\nAuthorization: Bearer …"},
		},
		Commands: []Command{{Tool: "Any tool", Code: "# None: scripts in a page only."}},
		Risks:    []string{"Tokens in histories, in extensions, in copied addresses.", "No refresh token: it renewed by hidden frames, which browsers without third-party cookies have ended.", "Nothing binds the token to who asked for it."},
		Places:   []Place{InLab}, PlacesNote: "In the sandbox only.",
		Failures: []string{"wrong-state", "tampered-signature", "unregistered-redirect"},
	},
	{
		ID: "password", Group: Legacy, Title: "Password (ROPC)",
		Summary:   "The script sends the person's name and password. The tenant sees no person, so it cannot ask for a second factor.",
		UseWhen:   []string{"Never. In the sandbox, to see it fail."},
		AvoidWhen: []string{"Always: take the device code or a browser for people, and client credentials for services."},
		Parties:   []Party{Script, Tenant, AzTS},
		Messages: []Message{
			{ID: "token", From: Script, To: Tenant, Name: "Token request", What: "Works for a cloud account with a password and no second factor, and for nobody else.",
				Parameters: grant("password", Parameter{"username", Required, Required, "The account."}, Parameter{"password", Required, Required, "In the hands of a program that is not the tenant: the very thing that sign-in pages exist to prevent."}, pClientSecret, pResource, scopeAtToken),
				V1:         "POST {login}/{tenant}/oauth2/token\n\ngrant_type=password&username=…&password=…&resource={uri}&client_id=…",
				V2:         "POST {login}/{tenant}/oauth2/v2.0/token\n\ngrant_type=password&username=…&password=…&scope={scope}&client_id=…"},
			{ID: "refused", From: Tenant, To: Script, Name: "Refused for want of a second factor", What: "invalid_grant with 50076. There is no page on which the person could prove more.", V2: "400\n{\"error\":\"invalid_grant\",\"error_codes\":[50076],…}"},
		},
		Commands: []Command{{Tool: "Any tool", Code: "# None is shown: do not put passwords into scripts."}},
		Risks:    []string{"The program has the password, for everything and for ever.", "It fails for guests, personal accounts, passwordless people, and wherever a second factor is the rule."},
		Places:   []Place{InLab}, PlacesNote: "In the sandbox only, with its made-up passwords.",
		Failures: []string{"no-mfa", "missing-consent"},
	},
}
