/**
 * The state of servers from a file that `show servers state` has written (manual, 3.1 `server-state-file`, 4.2
 * `load-server-state-from-file`), HAProxy's or Holdfast's own: read when the configuration is loaded, put into the models
 * of the servers, applied when their shared memory is filled.
 *
 * A file with one broken line is not applied at all (as observed); servers it does not name, or names otherwise than
 * the configuration, are left as they are. Not taken, unlike in HAProxy: that a server is down because it was
 * `disabled` in the configuration of then.
 */
import type { Place } from '../core/diagnostics.js';
import type { ProxyModel, ServerModel } from './model.js';
import type { ParserState } from './state.js';

/** What a line of the file says of a server. */
export interface LastServerState {
	/** Undefined: none was known. */
	readonly address: string | undefined;
	readonly port: number;
	readonly isStopped: boolean;
	readonly isStopping: boolean;
	/** Flags as `ServerAdmin` of shared/server-state.ts has them. */
	readonly admin: number;
	readonly weight: number;
	readonly initialWeight: number;
	readonly ageSeconds: number;
	readonly checkHealth: number;
	/** What its address was resolved from. */
	readonly hostName: string | undefined;
	readonly serviceName: string | undefined;
}

interface StateRow {
	readonly backendId: number;
	readonly backend: string;
	readonly serverId: number;
	readonly server: string;
	readonly state: LastServerState;
}

const VERSION = '1';
/** Version 1 has had these from 2.0 on, and later ones behind them. */
const MIN_COLUMNS = 19;
const STOPPED = 0;
const STOPPING = 3;

export type StateFile = { readonly rows: readonly StateRow[] } | { readonly fault: string };

/** `fault`: as in "corrupted ... at line 3", without the name of the file. */
export function parseStateFile(content: string): StateFile {
	const lines = content.split('\n');
	if (lines[0]?.trim() !== VERSION) return { fault: 'version' };
	const rows: StateRow[] = [];
	for (const [index, line] of lines.entries()) {
		if (index === 0 || line.startsWith('#') || line.trim() === '') continue;
		const row = parseRow(line.trim().split(/\s+/));
		if (row === undefined) return { fault: `line ${index + 1}` };
		rows.push(row);
	}
	return { rows };
}

function parseRow(words: readonly string[]): StateRow | undefined {
	if (words.length < MIN_COLUMNS) return undefined;
	const number = (at: number): number => (/^\d{1,10}$/.test(words[at] ?? '') ? Number(words[at]) : Number.NaN);
	const name = (at: number): string | undefined =>
		words[at] === undefined || words[at] === '-' ? undefined : words[at];
	const numbers = [0, 2, 5, 6, 7, 8, 9, 12, 18].map(number);
	if (numbers.some(Number.isNaN)) return undefined;
	const [
		backendId = 0,
		serverId = 0,
		operation = 0,
		admin = 0,
		weight = 0,
		initialWeight = 0,
		age = 0,
		health = 0,
		port = 0,
	] = numbers;
	if (operation > STOPPING || admin > 0x7f || weight > 256 || initialWeight > 256 || port > 65_535) return undefined;
	return {
		backendId,
		backend: words[1] ?? '',
		serverId,
		server: words[3] ?? '',
		state: {
			address: name(4),
			port,
			isStopped: operation === STOPPED,
			isStopping: operation === STOPPING,
			admin,
			weight,
			initialWeight,
			ageSeconds: age,
			checkHealth: health,
			hostName: name(17),
			serviceName: name(19),
		},
	};
}

/** The proxies with what their files say of their servers. */
export function applyStateFiles(proxies: readonly ProxyModel[], state: ParserState): readonly ProxyModel[] {
	const files = new StateFiles(state);
	return proxies.map((proxy) => {
		if (proxy.kind === 'frontend' || proxy.loadStateFrom === 'none' || proxy.servers.length === 0) return proxy;
		const rows = files.rowsFor(proxy);
		if (rows.length === 0) return proxy;
		return { ...proxy, servers: proxy.servers.map((server) => withLastState(proxy, server, rows)) };
	});
}

function withLastState(proxy: ProxyModel, server: ServerModel, rows: readonly StateRow[]): ServerModel {
	const row = rows.find((one) => one.server === server.name && (server.idGiven !== true || one.serverId === server.id));
	if (row === undefined || row.backend !== proxy.name) return server;
	const lastState = row.state;
	const { address } = server;
	// The port may have been changed at run time; an address without a name may not come from a file.
	const hasPort = (address.kind === 'ip' || address.kind === 'name') && server.portOffset === undefined;
	if (!hasPort || lastState.port === 0) return { ...server, lastState };
	return { ...server, lastState, address: { ...address, port: lastState.port } };
}

class StateFiles {
	readonly #state: ParserState;
	#global: readonly StateRow[] | undefined;

	constructor(state: ParserState) {
		this.#state = state;
	}

	rowsFor(proxy: ProxyModel): readonly StateRow[] {
		const { serverStateFile } = this.#state.global;
		let rows: readonly StateRow[];
		if (proxy.loadStateFrom === 'local') {
			const name = proxy.stateFileName ?? proxy.name;
			rows = this.#read(name, `Proxy '${proxy.name}': `, '', proxy.place);
		} else {
			if (serverStateFile === undefined) return [];
			this.#global ??= this.#read(serverStateFile, 'config: ', 'global ', undefined);
			rows = this.#global;
		}
		const own = rows.filter(({ backend }) => backend === proxy.name);
		// As observed: in the file for all backends the name alone decides.
		const other = own.find(({ backendId }) => proxy.loadStateFrom === 'local' && backendId !== proxy.id);
		if (other !== undefined) {
			this.#state.diagnostics.warning(
				proxy.place,
				`Proxy '${proxy.name}': backend ID mismatch: from server state file: '${other.backendId}', from running config '${proxy.id}'`,
			);
			return [];
		}
		return own;
	}

	#read(name: string, subject: string, which: string, place: Place | undefined): readonly StateRow[] {
		const base = this.#state.global.serverStateBase;
		const path = name.startsWith('/') || base === undefined ? name : `${base.replace(/\/$/, '')}/${name}`;
		const content = this.#state.tryReadFile(path);
		const { diagnostics } = this.#state;
		if (typeof content !== 'string') {
			const end = which === '' ? '.' : '';
			diagnostics.warning(place, `${subject}Can't open ${which}server state file '${path}': ${content.reason}${end}`);
			return [];
		}
		const parsed = parseStateFile(content);
		if ('rows' in parsed) return parsed.rows;
		const text =
			parsed.fault === 'version'
				? `Can't get version of the ${which}server state file '${path}'.`
				: `corrupted ${which}server state file '${path}' at ${parsed.fault}.`;
		diagnostics.warning(place, `${subject}${text}`);
		return [];
	}
}
