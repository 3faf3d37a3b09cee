/** The table server on Node's event loop. */
import { checksumOf, makeTable, serve } from "./table.mjs";

const table = makeTable();
serve("node-http", { lookUp: (n) => ({ n, value: table[n] }), check: () => ({ checksum: checksumOf(table) }) });
