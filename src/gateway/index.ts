/** Listening sockets and routes of services; the launcher does the work. */
export { addressText, type ListenAddress, listenAddress } from "./address.ts";
export { LauncherGateway } from "./gateway.ts";
