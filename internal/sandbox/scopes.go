package sandbox

import (
	"slices"
	"strings"
)

// defaultScope asks for everything that is granted, or for the static list.
const defaultScope = ".default"

// maxScopes bounds how many scopes one request may name.
const maxScopes = 100

// target is one API that a request names, with what it asks for there.
type target struct {
	resource *application
	audience string   // aud as requested: identifier URI with or without a slash, or app id
	scopes   []string // in the spelling of the registration; [defaultScope] for the static list
}

// isDefault says whether the static list is asked for.
func (t target) isDefault() bool { return slices.Contains(t.scopes, defaultScope) }

// scopeRequest is a parsed scope parameter.
type scopeRequest struct {
	targets []target // in the order of the request; without the OpenID scopes
	openID  []string // openid, profile, email, offline_access as far as asked for
}

// wants says whether an OpenID scope was asked for.
func (q scopeRequest) wants(scope string) bool { return slices.Contains(q.openID, scope) }

// parseScopes reads a v2 scope parameter: `<resource>/<permission>`, a bare
// permission of Graph, or an OpenID scope.
func (t *tenant) parseScopes(scope string) (scopeRequest, *protocolError) {
	var parsed scopeRequest
	fields := strings.Fields(scope)
	if len(fields) > maxScopes {
		return parsed, t.fail(70011, "more than a hundred scopes")
	}
	for _, field := range fields {
		if slices.Contains(openIDScopes, strings.ToLower(field)) {
			if name := strings.ToLower(field); !parsed.wants(name) {
				parsed.openID = append(parsed.openID, name)
			}
			continue
		}
		resource, audience, value := t.splitScope(field)
		if resource == nil {
			return parsed, t.fail(500011, audience)
		}
		name := defaultScope
		if value != defaultScope {
			permission := resource.scope(value)
			if permission == nil {
				return parsed, t.fail(70011, field)
			}
			name = permission.value
		}
		parsed.add(resource, audience, name)
	}
	for _, one := range parsed.targets {
		if one.isDefault() && len(one.scopes) > 1 {
			return parsed, t.fail(70011, scope)
		}
	}
	return parsed, nil
}

func (q *scopeRequest) add(resource *application, audience, name string) {
	for i := range q.targets {
		if q.targets[i].resource == resource {
			if !slices.Contains(q.targets[i].scopes, name) {
				q.targets[i].scopes = append(q.targets[i].scopes, name)
			}
			return
		}
	}
	q.targets = append(q.targets, target{resource: resource, audience: audience, scopes: []string{name}})
}

// splitScope finds the API of one scope. An identifier URI that is asked for
// with its trailing slash leaves a double slash in the scope and gives a token
// whose aud has the slash (entra.md §4.7). An unknown API comes back as nil,
// with its name in audience.
func (t *tenant) splitScope(scope string) (resource *application, audience, value string) {
	for _, app := range t.apps {
		for _, uri := range append(slices.Clone(app.identifierURIs), app.appID) {
			if len(app.scopes) == 0 && len(app.roles) == 0 {
				continue
			}
			if len(scope) <= len(uri) || !strings.EqualFold(scope[:len(uri)], uri) || scope[len(uri)] != '/' {
				continue
			}
			value, audience = scope[len(uri)+1:], uri
			if strings.HasPrefix(value, "/") {
				value, audience = value[1:], uri+"/"
			}
			if strings.Contains(value, "/") {
				return nil, scope[:strings.LastIndex(scope, "/")], ""
			}
			return app, audience, value
		}
	}
	slash := strings.LastIndex(scope, "/")
	if slash < 0 {
		graph := t.app(GraphAppID)
		return graph, graph.identifierURIs[0], scope
	}
	return nil, scope[:slash], ""
}

// resourceTarget reads the resource parameter of v1, which stands for the
// static list of that API.
func (t *tenant) resourceTarget(resource string) (target, *protocolError) {
	app, audience, _ := t.splitScope(resource + "/" + defaultScope)
	if app == nil {
		return target{}, t.fail(50001, resource)
	}
	return target{resource: app, audience: audience, scopes: []string{defaultScope}}, nil
}

// scopeText returns scopes of a resource as the token response of v2 names
// them.
func scopeText(resource *application, audience string, scopes []string) string {
	named := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if slices.Contains(openIDScopes, scope) {
			named = append(named, scope)
			continue
		}
		if audience == resource.appID {
			audience = resource.identifierURIs[0]
		}
		named = append(named, audience+"/"+scope)
	}
	return strings.Join(named, " ")
}
