/**
 * Options of `server` lines that say how a name becomes an address (manual, 5.2 `init-addr`, `resolvers`, `resolve-*`):
 * rows of the table in server.ts. And `server-template`, a line that stands for several servers.
 */
import { IpAddress } from '../../core/address.js';
import type { ServerDraft, ServerOptions } from '../draft.js';
import { type InitAddress, isServiceName, type ServerResolutionModel } from '../resolvers-model.js';
import type { ParserState } from '../state.js';
import { Statement } from '../statement.js';
import { readServer, type ServerOption } from './server.js';

const MAX_NETWORKS = 5;
/** Servers of one line; a slip of the finger should not fill the memory. */
const MAX_TEMPLATE = 65_536;

function set(options: ServerOptions, fields: Partial<ServerResolutionModel>): void {
	options.resolution = { ...options.resolution, ...fields };
}

/** The words between commas. */
function list(statement: Statement, index: number): string[] {
	return statement.word(index).split(',');
}

function readInitAddresses(statement: Statement, index: number): InitAddress[] | undefined {
	const found: InitAddress[] = [];
	for (const word of list(statement, index)) {
		const ip = IpAddress.parse(word);
		if (ip !== undefined) found.push({ address: ip.toString(), family: ip.family });
		else if (word === 'last' || word === 'libc' || word === 'none') found.push(word);
		else {
			statement.alert(
				`'init-addr' : unknown init-addr method '${word}', supported methods are 'libc', 'last', 'none'.`,
			);
			return undefined;
		}
	}
	return found;
}

const NETWORK = /^([^/]+)(?:\/(\d{1,3}))?$/;

export function isNetwork(text: string): boolean {
	const [, host = '', bits] = NETWORK.exec(text) ?? [];
	const ip = IpAddress.parse(host);
	return ip !== undefined && (bits === undefined || Number(bits) <= (ip.family === 4 ? 32 : 128));
}

export const SERVER_RESOLUTION_OPTIONS: readonly ServerOption[] = [
	{
		name: 'resolvers',
		arguments: 1,
		parse: (s, i, o) => set(o, { resolvers: s.word(i) }),
	},
	{
		name: 'resolve-prefer',
		arguments: 1,
		parse: (s, i, o) => {
			const family = s.choice(i, 'resolve-prefer', ['ipv4', 'ipv6']);
			if (family !== undefined) set(o, { prefer: family === 'ipv4' ? 4 : 6 });
		},
	},
	{
		name: 'resolve-net',
		arguments: 1,
		parse: (s, i, o) => {
			const networks = list(s, i);
			const wrong = networks.find((network) => !isNetwork(network));
			if (wrong !== undefined) s.alert(`'resolve-net' invalid network '${wrong}'.`);
			else if (networks.length > MAX_NETWORKS) s.alert(`'resolve-net' exceed ${MAX_NETWORKS} networks.`);
			else set(o, { networks });
		},
	},
	{
		name: 'resolve-opts',
		arguments: 1,
		parse: (s, i, o) => {
			for (const option of list(s, i)) {
				if (option === 'allow-dup-ip') set(o, { allowDuplicates: true });
				else if (option === 'prevent-dup-ip') set(o, { allowDuplicates: false });
				else if (option === 'ignore-weight') set(o, { ignoreWeight: true });
				else {
					s.alert(
						`'resolve-opts' : unknown resolve-opts option '${option}', supported methods are 'allow-dup-ip', 'ignore-weight', and 'prevent-dup-ip'.`,
					);
				}
			}
		},
	},
	{
		name: 'init-addr',
		arguments: 1,
		parse: (s, i, o) => {
			const initAddresses = readInitAddresses(s, i);
			if (initAddresses !== undefined) set(o, { initAddresses });
		},
	},
];

/** The port of an SRV name comes with its records; none in the line is no offset to the client's. */
export function withServicePort(server: ServerDraft): ServerDraft {
	const { address } = server;
	if (address.kind !== 'name' || !isServiceName(address.host)) return server;
	return { ...server, portOffset: undefined };
}

/** `server-template <prefix> <num|range> <fqdn>[:<port>] [options]` (manual, 4.2). */
export function readServerTemplate(statement: Statement, defaults: ServerOptions, state: ParserState): ServerDraft[] {
	const [keyword = '', prefix = '', range = '', ...rest] = statement.words;
	if (rest.length === 0) {
		statement.alert(`'${keyword}' expects <prefix> <nb | range> <addr>[:<port>] as arguments.`);
		return [];
	}
	const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range);
	const first = match?.[2] === undefined ? 1 : Number(match[1]);
	const last = Number(match?.[2] ?? match?.[1] ?? 0);
	if (match === null || first < 1 || last < first || last - first >= MAX_TEMPLATE) {
		statement.alert(`Wrong ${keyword} number or range arg '${range}'.`);
		return [];
	}
	const refused = rest.find((word) => word === 'id');
	if (refused !== undefined) {
		statement.alert(`'${keyword} ${prefix}' : '${refused}' cannot be shared by servers`);
		return [];
	}
	const servers: ServerDraft[] = [];
	for (let number = first; number <= last; number++) {
		const words = ['server', `${prefix}${number}`, ...rest];
		const line = new Statement(statement.place, words, statement.section, statement.diagnostics);
		const errorsBefore = statement.diagnostics.errorCount;
		const server = readServer(line, defaults, state);
		// One complaint is enough for all of them.
		if (server === undefined || statement.diagnostics.errorCount > errorsBefore) return servers;
		servers.push(server);
	}
	return servers;
}
