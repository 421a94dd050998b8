/**
 * The `log-forward` section (manual, 3.10): syslog messages come in by `dgram-bind` (UDP) and `bind` (TCP, TLS), and
 * go on to the targets of its `log` lines. Its connections are those of a frontend, so that `bind` lines mean here
 * what they mean there; from HAProxy 3.2 come its options.
 */
import type { Place } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import { newProxy, type ProxyDraft } from '../draft.js';
import type { DatagramBindModel, LogHostStrategy } from '../log-model.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, type Statement } from '../statement.js';
import { newBindOptions, readBind, readBindOptions } from './bind.js';
import { readLog } from './log.js';

/** Connections at a time, when the section does not say (manual, 3.10 `maxconn`). */
const DEFAULT_MAXCONN = 10;
const MAX_INT = 2 ** 31 - 1;
const MAX_PORTS_PER_LINE = 1024;
const HOST_STRATEGIES: readonly LogHostStrategy[] = ['keep', 'fill', 'replace', 'append'];

export interface LogForwardDraft {
	readonly place: Place;
	readonly name: string;
	/** `bind`, `log`, `maxconn`, `backlog`, `timeout client`. */
	readonly connections: ProxyDraft;
	readonly datagramBinds: DatagramBindModel[];
	parsesMessages: boolean;
	endsAtNewlines: boolean;
	hostStrategy: LogHostStrategy;
}

export interface LogForwardSite {
	readonly section: LogForwardDraft;
	readonly state: ParserState;
}

export function newLogForward(name: string, place: Place): LogForwardDraft {
	const connections = newProxy('frontend', name, place);
	connections.maxconn = DEFAULT_MAXCONN;
	return {
		place,
		name,
		connections,
		datagramBinds: [],
		parsesMessages: true,
		endsAtNewlines: false,
		hostStrategy: 'keep',
	};
}

/** `dgram-bind <address>:<ports>[,...]`; of the options of `bind`, those of connections mean nothing to datagrams. */
function readDatagramBind(statement: Statement, { section, state }: LogForwardSite): void {
	const addresses = statement.word(1);
	if (addresses === '') {
		statement.alert(`'dgram-bind' expects {[addr1]:port1[-end1]}{,[addr]:port[-end]}... as arguments.`);
		return;
	}
	const options = newBindOptions();
	if (!readBindOptions(statement, 2, options, state, 'dgram-bind')) return;
	for (const text of addresses.replace(/(?<=.),$/, '').split(',')) {
		if (/^(tcp[46]?|sockpair|uxst)@/.test(text)) {
			statement.alert(`'dgram-bind ${addresses}' : stream-type address not acceptable in '${text}'`);
			continue;
		}
		// One syntax of addresses for both protocols; the prefix says which.
		const parsed = parseAddress(text.replace(/^udp(?=[46]?@)/, 'tcp'), {
			port: 'required',
			range: true,
			anyHost: true,
		});
		if (!parsed.ok) {
			statement.alert(`'dgram-bind ${addresses}' : ${parsed.reason}`);
			continue;
		}
		const { address, lastPort } = parsed;
		if (address.kind !== 'ip') {
			statement.alert(
				`'dgram-bind ${addresses}' : '${text}' is not supported by holdfast, datagrams come by IPv4 and IPv6`,
			);
			continue;
		}
		if (lastPort - address.port >= MAX_PORTS_PER_LINE) {
			statement.alert(`'dgram-bind ${addresses}' : more than ${MAX_PORTS_PER_LINE} ports on one line`);
			continue;
		}
		for (let { port } = address; port <= lastPort; port++) {
			const { v6only } = options;
			section.datagramBinds.push({ place: statement.place, address: { ...address, port }, v6only });
		}
	}
}

const BUILT: readonly Keyword<LogForwardSite>[] = [
	{
		name: 'bind',
		parse: (statement, { section, state }) => void section.connections.binds.push(...readBind(statement, 1, state)),
	},
	{ name: 'dgram-bind', parse: readDatagramBind },
	{
		name: 'log',
		invertible: true,
		parse: (statement, { section }) => readLog(statement, section.connections.logs, true),
	},
	{
		name: 'maxconn',
		parse(statement, { section }) {
			const value = statement.integer(1, 'maxconn', 0, MAX_INT);
			if (value !== undefined && statement.atMost(1)) section.connections.maxconn = value;
		},
	},
	{
		name: 'backlog',
		parse(statement, { section }) {
			const value = statement.integer(1, 'backlog', 0, MAX_INT);
			if (value !== undefined && statement.atMost(1)) section.connections.backlog = value;
		},
	},
	{
		name: 'timeout client',
		parse(statement, { section }) {
			const { timeouts } = section.connections;
			if (statement.atMost(1, 2)) timeouts.clientMs = statement.timeMs(2, 'timeout client') ?? timeouts.clientMs;
		},
	},
	{
		name: 'option dont-parse-log',
		invertible: true,
		parse(statement, { section }) {
			if (statement.atMost(0, 2)) section.parsesMessages = statement.prefix !== undefined;
		},
	},
	{
		name: 'option assume-rfc6587-ntf',
		invertible: true,
		parse(statement, { section }) {
			if (statement.atMost(0, 2)) section.endsAtNewlines = statement.prefix === undefined;
		},
	},
	{
		name: 'option host',
		parse(statement, { section }) {
			const strategy = statement.choice(2, 'option host', HOST_STRATEGIES);
			if (strategy !== undefined && statement.atMost(1, 2)) section.hostStrategy = strategy;
		},
	},
];

export const LOG_FORWARD_KEYWORDS = new KeywordTable<LogForwardSite>(BUILT);
