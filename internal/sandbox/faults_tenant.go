package sandbox

// The ways in which the identity tenant can misbehave (entra.md §11.2).
var (
	_ = declare("Keys and metadata",
		faultSpec{name: "jwks.500", does: "The key document answers 500."},
		faultSpec{name: "jwks.slow", does: "The key document comes late.", value: "how late, as 5s; at most a minute"},
		faultSpec{name: "metadata.500", does: "The metadata document answers 500."},
		faultSpec{name: "metadata.wrong_issuer", does: "The metadata names a foreign issuer."},
	)
	_ = declare("ID token",
		faultSpec{name: "id_token.alg_none", does: "The ID token is not signed at all (alg none)."},
		faultSpec{name: "id_token.hs256_public_key", does: "The ID token is signed with HS256 and the public key as the secret."},
		faultSpec{name: "id_token.unknown_kid", does: "The ID token names a key that nobody published."},
		faultSpec{name: "id_token.bad_signature", does: "The signature of the ID token is wrong."},
		faultSpec{name: "id_token.wrong_aud", does: "The ID token is for another application."},
		faultSpec{name: "id_token.wrong_azp", does: "The ID token names another authorized party."},
		faultSpec{name: "id_token.wrong_iss", does: "The ID token comes from another issuer."},
		faultSpec{name: "id_token.template_iss", does: "The issuer of the ID token still holds the placeholder {tenantid}."},
		faultSpec{name: "id_token.wrong_tid", does: "The ID token names another tenant than its issuer."},
		faultSpec{name: "id_token.wrong_nonce", does: "The ID token answers another request's nonce."},
		faultSpec{name: "id_token.wrong_c_hash", does: "The ID token belongs to another code."},
		faultSpec{name: "id_token.wrong_at_hash", does: "The token endpoint's ID token belongs to another access token."},
		faultSpec{name: "id_token.expired", does: "The ID token expired an hour ago."},
		faultSpec{name: "id_token.not_yet_valid", does: "The ID token is valid from ten minutes on."},
		faultSpec{name: "id_token.no_oid", does: "The ID token has no object id."},
		faultSpec{name: "id_token.second_differs", does: "The token endpoint's ID token names another person than the first."},
	)
	_ = declare("Callback",
		faultSpec{name: "callback.error", does: "The application gets an error instead of a code.",
			value: "error|description|subcode, as access_denied|AADSTS65004: declined|cancel"},
		faultSpec{name: "callback.no_state", does: "The answer lacks its state."},
		faultSpec{name: "callback.wrong_state", does: "The answer carries a foreign state."},
	)
	_ = declare("Sign-in page",
		faultSpec{name: "authorize.page_error", does: "Sign-in ends on the tenant's own error page; the application learns nothing.",
			value: "an AADSTS number, as 53003"},
	)
	_ = declare("Token endpoint",
		faultSpec{name: "token.error", does: "The token endpoint refuses.", value: "an AADSTS number, as 50196"},
		faultSpec{name: "token.500_html", does: "The token endpoint answers 500 with a page of HTML."},
		faultSpec{name: "token.429_text", does: "The token endpoint answers 429 with plain text and Retry-After.", value: "seconds to wait, as 60"},
		faultSpec{name: "token.timeout", does: "The token endpoint does not answer; it hangs for up to a minute."},
		faultSpec{name: "token.truncated", does: "The answer of the token endpoint breaks off."},
		faultSpec{name: "token.string_numbers", does: "Numbers in the token response are strings, as in v1."},
		faultSpec{name: "token.no_refresh_token", does: "The token response lacks the refresh token."},
		faultSpec{name: "access_token.expired", does: "The access token expired an hour ago."},
		faultSpec{name: "access_token.wrong_aud", does: "The access token is for another API."},
		faultSpec{name: "token.fewer_scopes", does: "The token carries fewer scopes than were granted."},
		faultSpec{name: "refresh.revoked", does: "The refresh token was revoked."},
		faultSpec{name: "refresh.interaction_required", does: "Redeeming the refresh token demands a second factor, with claims."},
	)
	_ = declare("Sign-out",
		faultSpec{name: "logout.no_sid", does: "The front-channel sign-out carries no sid."},
		faultSpec{name: "logout.iss_and_sid", does: "The front-channel sign-out carries iss and sid."},
		faultSpec{name: "logout.no_return", does: "The sign-out page does not lead back to the application."},
		faultSpec{name: "logout.500", does: "The sign-out page answers 500 and ends nothing."},
	)
)
