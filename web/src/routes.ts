// web/src/routes.ts: what this program can be asked, by its own description. A control stands on
// the page only where the program has a route for it.

/** "GET /api/v1/trades", and with a parameter that it takes "GET /api/v1/bars?indicators". */
export type Route = string;

/** The routes of an OpenAPI document in YAML, as src/api/openapi.yaml is written. */
export function routesOf(yaml: string): Set<Route> {
  const routes = new Set<Route>();
  let path = '';
  let route = '';
  for (const line of yaml.slice(yaml.indexOf('\npaths:')).split('\n')) {
    path = /^ {2}(\/\S*):/.exec(line)?.[1] ?? path;
    const method = /^ {4}(get|post|put|delete):/.exec(line)?.[1];
    if (method) routes.add((route = `${method.toUpperCase()} ${path}`));
    const parameter = /^ {8}- name: (\w+)/.exec(line)?.[1];
    if (parameter) routes.add(`${route}?${parameter}`);
    if (line.startsWith('components:')) break;
  }
  return routes;
}
