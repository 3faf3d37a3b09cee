/**
 * Networks and the addresses that are given, in the database. Kept in memory as well, so that a look costs nothing;
 * a change is in the database first. An endpoint is there from before its container starts until after it ended:
 * after a crash `Networks.reconcile` drops those whose containers are gone.
 */
import type { Database } from "bun:sqlite";
import { databaseError, migrate } from "../common/database.ts";
import { ThawError } from "../common/errors.ts";
import type { Endpoint, Network } from "./types.ts";

const SCHEMA = [
  `CREATE TABLE networks (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, content TEXT NOT NULL) STRICT;`,
  `CREATE TABLE endpoints (
    owner TEXT NOT NULL,
    network TEXT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (owner, network)
  ) STRICT;
  CREATE TABLE network_facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;`,
];

/** What has to be known after a crash: that the table was made, and that forwarding was off before thaw. */
export type Fact = "table" | "guard";

interface Row {
  readonly content: string;
}

/** Reads and writes the tables `networks` and `endpoints`. */
export class NetworkStore {
  readonly #database: Database;
  readonly #networks = new Map<string, Network>();
  /** By owner, in the order of their interfaces. */
  readonly #endpoints = new Map<string, Endpoint[]>();

  /** @throws ThawError when the database cannot be read. */
  constructor(database: Database) {
    this.#database = database;
    migrate(database, "networks", SCHEMA);
    for (const { content } of database.query<Row, []>("SELECT content FROM networks").all()) {
      // These tables are only written below, out of these types.
      const network = JSON.parse(content) as Network;
      this.#networks.set(network.id, network);
    }
    for (const { content } of database.query<Row, []>("SELECT content FROM endpoints ORDER BY rowid").all()) {
      // The same.
      this.#remember(JSON.parse(content) as Endpoint);
    }
  }

  networks(): Network[] {
    return [...this.#networks.values()];
  }

  /** By id. */
  network(id: string): Network | undefined {
    return this.#networks.get(id);
  }

  /** @throws ThawError NO_SPACE. */
  saveNetwork(network: Network): void {
    this.#write("INSERT OR REPLACE INTO networks VALUES (?, ?, ?)", network.id, network.name, JSON.stringify(network));
    this.#networks.set(network.id, network);
  }

  removeNetwork(id: string): void {
    this.#write("DELETE FROM networks WHERE id = ?", id);
    this.#networks.delete(id);
  }

  /** All, or those of one container or other owner. */
  endpoints(owner?: string): readonly Endpoint[] {
    return owner === undefined ? [...this.#endpoints.values()].flat() : (this.#endpoints.get(owner) ?? []);
  }

  owners(): string[] {
    return [...this.#endpoints.keys()];
  }

  /** @throws ThawError NO_SPACE. */
  saveEndpoint(endpoint: Endpoint): void {
    const { owner, networkId } = endpoint;
    this.#write("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?)", owner, networkId, JSON.stringify(endpoint));
    this.#remember(endpoint);
  }

  /** Gives an endpoint to another owner, in one step: two owners of an address would be none. @throws ThawError NO_SPACE. */
  moveEndpoint(from: Endpoint, to: Endpoint): void {
    const move = this.#database.transaction(() => {
      this.#write("DELETE FROM endpoints WHERE owner = ? AND network = ?", from.owner, from.networkId);
      this.#write("INSERT OR REPLACE INTO endpoints VALUES (?, ?, ?)", to.owner, to.networkId, JSON.stringify(to));
    });
    try {
      move();
    } catch (error) {
      throw error instanceof ThawError ? error : databaseError(error, "cannot record the networks");
    }
    this.#endpoints.set(
      from.owner,
      this.endpoints(from.owner).filter(({ networkId }) => networkId !== from.networkId),
    );
    if (this.endpoints(from.owner).length === 0) this.#endpoints.delete(from.owner);
    this.#remember(to);
  }

  /** Of one network, or all of an owner. A disk that is full keeps them in the database until the next start. */
  removeEndpoints(owner: string, networkId?: string): void {
    const left = this.endpoints(owner).filter(
      (endpoint) => networkId !== undefined && endpoint.networkId !== networkId,
    );
    if (left.length === 0) this.#endpoints.delete(owner);
    else this.#endpoints.set(owner, left);
    try {
      if (networkId === undefined) this.#write("DELETE FROM endpoints WHERE owner = ?", owner);
      else this.#write("DELETE FROM endpoints WHERE owner = ? AND network = ?", owner, networkId);
    } catch (error) {
      console.error("thaw:", error instanceof Error ? error.message : error);
    }
  }

  fact(name: Fact): boolean {
    const row = this.#database
      .query<{ value: number }, [string]>("SELECT value FROM network_facts WHERE name = ?")
      .get(name);
    return row !== null && row.value !== 0;
  }

  /** @throws ThawError NO_SPACE. */
  setFact(name: Fact, value: boolean): void {
    this.#write("INSERT OR REPLACE INTO network_facts VALUES (?, ?)", name, value ? 1 : 0);
  }

  #remember(endpoint: Endpoint): void {
    const others = this.endpoints(endpoint.owner).filter(({ networkId }) => networkId !== endpoint.networkId);
    this.#endpoints.set(endpoint.owner, [...others, endpoint]);
  }

  #write(sql: string, ...values: (string | number)[]): void {
    try {
      this.#database.query(sql).run(...values);
    } catch (error) {
      throw databaseError(error, "cannot record the networks");
    }
  }
}
