/**
 * `stick` rules (manual, 4.2 `stick match`, `stick on`, `stick store-request`, `stick store-response`): which server
 * a stick table remembers for a request, and what is written there once it is known who served it.
 *
 *     choosing a server    `request`   in the order of the file: a `match` looks its key up, a `store` notes it
 *     server connected     (mode tcp)  `write` the notes
 *     response head there  (mode http) `response` notes what it finds there, then `write`
 *
 * The first rule of a table that notes a key is the last one of that table that is looked at, condition and
 * match included: so an operator writes the better criterion first (manual, and as observed). All rules run even
 * when a cookie has named the server already: what they find is refreshed, and what they note is written.
 *
 * The server is found again by its name (`server_key`; its address with `srvkey addr`), else by its number
 * (`server_id`): names hold across nodes whose files list the servers in another order.
 *
 * The notes belong to one stream and are made at the first use; a stream whose backend has no such rule pays one
 * comparison.
 */
import type { Evaluate, SampleValue, StreamView } from '../sample/types.js';
import type { StickTable } from '../stick-table/table.js';
import type { Backend } from './backend.js';
import { type Server, serverAddressKey } from './server.js';

/** A `stick` line, compiled. */
export interface StickRule {
	readonly kind: 'match' | 'on' | 'store-request' | 'store-response';
	readonly table: StickTable;
	readonly key: Evaluate;
	readonly test: (view: StreamView) => boolean;
}

/** A key to be written when the server is known. */
export interface StickStore {
	readonly table: StickTable;
	readonly key: SampleValue;
	readonly fromResponse: boolean;
}

/** Keys kept for one request and its response (manual, 4.2 `stick store-request`). */
const MAX_STORES = 8;

export class StickRules {
	readonly #request: readonly StickRule[];
	readonly #response: readonly StickRule[];

	constructor(rules: readonly StickRule[]) {
		this.#request = rules.filter(({ kind }) => kind !== 'store-response');
		this.#response = rules.filter(({ kind }) => kind === 'store-response');
	}

	/** Whether something may be written once a response is there. */
	get looksAtResponses(): boolean {
		return this.#response.length > 0;
	}

	/**
	 * The server that a table names for this request, if it may be used; keys to store are added to `stores`. Once
	 * per stream. `usesDead`: `force-persist` applies.
	 */
	request(view: StreamView, backend: Backend, usesDead: boolean, stores: StickStore[]): Server | undefined {
		let found: Server | undefined;
		for (const rule of this.#request) {
			const stored = rule.kind !== 'match';
			if (stored && isNoted(stores, rule.table, false)) continue;
			if (!rule.test(view)) continue;
			const key = rule.key(view);
			if (key === undefined) continue;
			if (rule.kind !== 'store-request') found ??= matched(rule.table, key, view.nowMs, backend, usesDead);
			if (stored && stores.length < MAX_STORES) stores.push({ table: rule.table, key, fromResponse: false });
		}
		return found;
	}

	/** Keys of the response are added to `stores`. Once per stream. */
	response(view: StreamView, stores: StickStore[]): void {
		for (const rule of this.#response) {
			if (isNoted(stores, rule.table, true) || !rule.test(view)) continue;
			const key = rule.key(view);
			if (key !== undefined && stores.length < MAX_STORES) stores.push({ table: rule.table, key, fromResponse: true });
		}
	}
}

function isNoted(stores: readonly StickStore[], table: StickTable, fromResponse: boolean): boolean {
	for (const store of stores) if (store.table === table && store.fromResponse === fromResponse) return true;
	return false;
}

/** An entry that is found lives on, whether or not its server can be used. */
function matched(
	table: StickTable,
	key: SampleValue,
	nowMs: number,
	backend: Backend,
	usesDead: boolean,
): Server | undefined {
	const entry = table.matchServer(key, nowMs);
	if (entry === undefined) return undefined;
	const byKey = entry.serverKey === '' ? undefined : backend.serverByKey(entry.serverKey, table.model.srvkey);
	const server = byKey ?? (entry.serverId === 0 ? undefined : backend.serverById(entry.serverId));
	return server?.isRunning() || usesDead || backend.model.options.persist ? server : undefined;
}

/** `server` has taken the stream: what was noted is written, unless it is not to be remembered (`non-stick`). */
export function writeStores(stores: readonly StickStore[], server: Server, nowMs: number): void {
	if (server.nonStick) return;
	for (const { table, key } of stores) {
		const serverKey = table.model.srvkey === 'addr' ? serverAddressKey(server) : server.name;
		table.storeServer(key, server.id, serverKey, nowMs);
	}
}
