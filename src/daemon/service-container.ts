/** What a service asks of its containers, from the API's words to a container's fields. */
import type { ServiceContainerRequest } from "../api/thaw.ts";
import type { ServiceContainer } from "../service/types.ts";
import { isolationOf, securityOf } from "./isolation.ts";

/** The fields that are asked for; others are the image's. */
export function serviceContainer(request: ServiceContainerRequest): ServiceContainer {
  const { User, WorkingDir, Hostname, Domainname, HostConfig: host = {} } = request;
  const binds = [...(host.Binds ?? []), ...(host.Mounts?.binds ?? [])];
  const isolation = isolationOf({ Domainname }, host, "");
  const security = securityOf(host);
  return {
    ...(User ? { user: User } : {}),
    ...(WorkingDir ? { cwd: WorkingDir } : {}),
    ...(Hostname ? { hostname: Hostname } : {}),
    ...(host.Init === undefined ? {} : { init: host.Init }),
    ...(binds.length === 0 ? {} : { binds }),
    ...(Object.keys(isolation).length === 0 ? {} : { isolation }),
    ...(security === undefined ? {} : { security }),
  };
}
