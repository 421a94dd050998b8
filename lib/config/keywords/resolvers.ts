/** The `resolvers` section (manual, 5.3.2), and the section `default` that stands for /etc/resolv.conf. */
import { didYouMean, type Place } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import type { Writable } from '../draft.js';
import type { NameserverModel, ResolversModel } from '../resolvers-model.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, type Statement } from '../statement.js';

export interface ResolversDraft extends Omit<Writable<ResolversModel>, 'holdMs'> {
	holdMs: Record<keyof ResolversModel['holdMs'], number>;
}

export interface ResolversSite {
	readonly resolvers: ResolversDraft;
	readonly state: ParserState;
}

const RESOLV_CONF = '/etc/resolv.conf';
const DNS_PORT = 53;
const MAX_INT = 2 ** 31 - 1;
/** As the reference has it: no DNS header is shorter. */
const MIN_PAYLOAD_BYTES = 12;
const MAX_PAYLOAD_BYTES = 65_535;

const HOLDS = ['nx', 'refused', 'timeout', 'other', 'valid', 'obsolete'] as const;

export function newResolvers(name: string, place: Place): ResolversDraft {
	return {
		place,
		name,
		nameservers: [],
		acceptedPayloadSize: 512,
		resolveRetries: 3,
		resolveMs: 1000,
		retryMs: 1000,
		holdMs: { nx: 30_000, refused: 30_000, timeout: 30_000, other: 30_000, valid: 10_000, obsolete: 0 },
	};
}

/** The section `default`, where no section has that name; undefined when the system has no name servers. */
export function defaultResolvers(state: ParserState): ResolversDraft | undefined {
	const place = { file: RESOLV_CONF, line: 0 };
	const draft = newResolvers('default', place);
	const content = state.tryReadFile(RESOLV_CONF);
	if (typeof content !== 'string') return undefined;
	draft.nameservers.push(...readResolvConf(content, place));
	return draft.nameservers.length === 0 ? undefined : draft;
}

/** The `nameserver` lines of resolv.conf(5); a zone (`fe80::1%eth0`) is left out with its line. */
export function readResolvConf(content: string, place: Place): NameserverModel[] {
	const found: NameserverModel[] = [];
	for (const line of content.split('\n')) {
		const [keyword, address = ''] = line.trim().split(/\s+/);
		if (keyword !== 'nameserver') continue;
		const parsed = parseAddress(address.includes(':') ? `[${address}]` : address, { port: 'optional' });
		if (!parsed.ok || parsed.address.kind !== 'ip') continue;
		if (found.some(({ name }) => name === address)) continue;
		found.push({ place, name: address, address: parsed.address.address, port: DNS_PORT, transport: 'udp' });
	}
	return found;
}

function addNameserver(draft: ResolversDraft, statement: Statement, nameserver: NameserverModel): void {
	const twin = draft.nameservers.find(({ name }) => name === nameserver.name);
	if (twin === undefined) draft.nameservers.push(nameserver);
	else {
		statement.alert(
			`nameserver '${nameserver.name}' has same name as another nameserver (declared at ${twin.place.file}:${twin.place.line}).`,
		);
	}
}

function readNameserver(statement: Statement, { resolvers }: ResolversSite): void {
	const name = statement.word(1);
	const written = statement.word(2);
	if (name === '' || written === '') {
		statement.alert(`'nameserver' expects <name> and <addr>[:<port>] as arguments.`);
		return;
	}
	const transport = /^tcp[46]?@/.test(written) ? 'tcp' : 'udp';
	// UDP is what an address without a prefix means here (manual, 5.3.2 `nameserver`).
	const text = written.replace(/^udp@/, '').replace(/^udp([46])@/, 'ipv$1@');
	const parsed = parseAddress(text, { port: 'required' });
	if (!parsed.ok) {
		statement.alert(`'nameserver ${name}' : ${parsed.reason}`);
		return;
	}
	if (parsed.address.kind !== 'ip') {
		statement.alert(`'nameserver ${name}' : '${written}' is not an IP address.`);
		return;
	}
	const extra = statement.word(3);
	if (extra !== '') {
		statement.alert(`'nameserver ${name}' : '${extra}' is not supported by holdfast: name servers take no options`);
		return;
	}
	const { address, port } = parsed.address;
	addNameserver(resolvers, statement, { place: statement.place, name, address, port, transport });
}

const BUILT: readonly Keyword<ResolversSite>[] = [
	{ name: 'nameserver', parse: readNameserver },
	{
		name: 'parse-resolv-conf',
		parse(statement, { resolvers, state }) {
			if (!statement.atMost(0)) return;
			const content = state.tryReadFile(RESOLV_CONF);
			if (typeof content !== 'string') {
				statement.alert(`failed to open ${RESOLV_CONF} : ${content.reason}.`);
				return;
			}
			for (const nameserver of readResolvConf(content, statement.place)) {
				addNameserver(resolvers, statement, nameserver);
			}
		},
	},
	{
		name: 'hold',
		parse(statement, { resolvers }) {
			const event = statement.word(1);
			if (statement.word(2) === '') {
				statement.alert(`'hold' expects an <event> and a <time> as arguments.`);
				return;
			}
			const known = HOLDS.find((hold) => hold === event);
			if (known === undefined) {
				statement.alert(
					`'hold' unknown <event>: '${event}', expects either 'nx', 'refused', 'timeout', 'valid', 'obsolete' or 'other'${didYouMean(event, HOLDS)}`,
				);
			} else if (statement.atMost(2)) resolvers.holdMs[known] = statement.timeMs(2, 'hold') ?? resolvers.holdMs[known];
		},
	},
	{
		name: 'timeout',
		parse(statement, { resolvers }) {
			const event = statement.word(1);
			if (event !== 'resolve' && event !== 'retry') {
				statement.alert(`'timeout' expects 'retry' or 'resolve' and <time> as arguments, got '${event}'.`);
				return;
			}
			const timeMs = statement.timeMs(2, `timeout ${event}`);
			if (timeMs === 0) statement.alert(`'timeout ${event}' must be at least 1 ms.`);
			else if (timeMs !== undefined) resolvers[event === 'resolve' ? 'resolveMs' : 'retryMs'] = timeMs;
		},
	},
	{
		name: 'resolve_retries',
		parse(statement, { resolvers }) {
			const count = statement.integer(1, 'resolve_retries', 1, MAX_INT);
			if (statement.atMost(1)) resolvers.resolveRetries = count ?? resolvers.resolveRetries;
		},
	},
	{
		name: 'accepted_payload_size',
		parse(statement, { resolvers }) {
			const size = statement.integer(1, 'accepted_payload_size', MIN_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES);
			if (statement.atMost(1)) resolvers.acceptedPayloadSize = size ?? resolvers.acceptedPayloadSize;
		},
	},
];

export const RESOLVERS_KEYWORDS = new KeywordTable<ResolversSite>(BUILT);
