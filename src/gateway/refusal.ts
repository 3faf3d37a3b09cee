/**
 * What a client gets when its service cannot be woken. The launcher writes it as it is, so it is a whole answer.
 */

/** A complete HTTP/1.1 503 answer that tells the client to try again in a second. */
export function refusalAnswer(service: string): Uint8Array {
  const text = `The service ${service} could not be woken. \`thaw services\` shows why.\n`;
  const head = [
    "HTTP/1.1 503 Service Unavailable",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${new TextEncoder().encode(text).length}`,
    "Retry-After: 1",
    "Connection: close",
  ];
  return new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n${text}`);
}
