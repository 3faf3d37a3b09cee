/** The text of `-p`, as users of container engines write it. */

/** One published port; a host port of 0 is any that is free. */
export interface PublishText {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp";
}

const TEXT =
  /^(?:(?:(?<address>\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):)?(?<host>\d{0,5}(?:-\d{1,5})?):)?(?<inside>\d{1,5}(?:-\d{1,5})?)(?:\/(?<protocol>tcp|udp))?$/;
const MOST = 65_535;

/**
 * "[[ADDRESS:][HOST-PORT]:]CONTAINER-PORT[/tcp|/udp]", each port also a range such as 8000-8003; undefined when it is
 * something else. Without a host port any that is free is taken, without an address all are meant.
 */
export function parsePublish(text: string): PublishText[] | undefined {
  const { address = "0.0.0.0", host = "", inside = "", protocol } = TEXT.exec(text)?.groups ?? {};
  const insidePorts = range(inside);
  const hostPorts = host === "" ? insidePorts?.map(() => 0) : range(host);
  if (!insidePorts || !hostPorts || hostPorts.length !== insidePorts.length) return undefined;
  const hostAddress = address.replace(/^\[|\]$/g, "");
  if (!hostAddress.includes(":") && hostAddress.split(".").some((part) => Number(part) > 255)) return undefined;
  return insidePorts.map((containerPort, index) => ({
    hostAddress,
    hostPort: hostPorts[index] ?? 0,
    containerPort,
    protocol: protocol === "udp" ? "udp" : "tcp",
  }));
}

function range(text: string): number[] | undefined {
  const [first = 0, last = first] = text.split("-").map(Number);
  if (text === "" || first < 1 || last < first || last > MOST) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
