/**
 * Options of `server` and `default-server` lines that speak of health checks (manual, 5.2): rows of the table
 * in server.ts.
 */
import { didYouMean } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import type { ServerOptions } from '../draft.js';
import type { ServerHealthModel } from '../health-model.js';
import type { Statement } from '../statement.js';
import type { ServerOption } from './server.js';

const MAX_INT = 2 ** 31 - 1;

export const NO_HEALTH: ServerHealthModel = {
	fastinterMs: undefined,
	downinterMs: undefined,
	checkPort: undefined,
	checkAddress: undefined,
	checkTls: undefined,
	checkSni: undefined,
	checkAlpn: [],
	checkSendProxy: undefined,
	agentCheck: false,
	agent: { port: 0, address: undefined, interMs: 2000, send: undefined },
	observe: 'none',
	errorLimit: 10,
	onError: 'fail-check',
	shutdownWhenDown: false,
	shutdownBackupsWhenUp: false,
	slowstartMs: 0,
	track: undefined,
	initState: 'none',
};

function set(options: ServerOptions, fields: Partial<ServerHealthModel>): void {
	options.health = { ...options.health, ...fields };
}

function setAgent(options: ServerOptions, fields: Partial<ServerHealthModel['agent']>): void {
	set(options, { agent: { ...options.health.agent, ...fields } });
}

type Reader = (statement: Statement, index: number) => Partial<ServerHealthModel> | undefined;

const flag = (name: string, fields: Partial<ServerHealthModel>): ServerOption => ({
	name,
	arguments: 0,
	parse: (_s, _i, options) => set(options, fields),
});

const value = (name: string, read: Reader): ServerOption => ({
	name,
	arguments: 1,
	parse: (statement, index, options) => set(options, read(statement, index) ?? {}),
});

/** A time of at least 1 ms, as every interval. */
export function positiveTime(statement: Statement, index: number, name: string): number | undefined {
	const time = statement.timeMs(index, name);
	if (time !== 0) return time;
	statement.alert(`'${name}' expects a time of at least 1 ms`);
	return undefined;
}

/** An address for checks; a name is looked up when the configuration is loaded. */
function checkAddress(
	statement: Statement,
	index: number,
	name: string,
	port: 'optional' | 'forbidden',
): ServerHealthModel['checkAddress'] {
	const parsed = parseAddress(statement.word(index), { port, names: true });
	if (parsed.ok && (parsed.address.kind === 'ip' || parsed.address.kind === 'name')) return parsed.address;
	statement.alert(`'${name}' expects an IP address or a host name${parsed.ok ? '' : ` : ${parsed.reason}`}`);
	return undefined;
}

function readTrack(statement: Statement, index: number): Partial<ServerHealthModel> {
	const text = statement.word(index);
	const slash = text.lastIndexOf('/');
	const backend = slash < 0 ? undefined : text.slice(0, slash);
	return { track: { place: statement.place, backend, server: text.slice(slash + 1) } };
}

export const SERVER_CHECK_OPTIONS: readonly ServerOption[] = [
	value('fastinter', (s, i) => ({ fastinterMs: positiveTime(s, i, 'fastinter') })),
	value('downinter', (s, i) => ({ downinterMs: positiveTime(s, i, 'downinter') })),
	// 0 is the server's own.
	value('port', (s, i) => ({ checkPort: s.integer(i, 'port', 0, 65535) || undefined })),
	value('addr', (s, i) => ({ checkAddress: checkAddress(s, i, 'addr', 'optional') })),
	flag('check-ssl', { checkTls: true }),
	flag('no-check-ssl', { checkTls: false }),
	value('check-sni', (s, i) => ({ checkSni: s.word(i) })),
	value('check-alpn', (s, i) => ({ checkAlpn: s.word(i).split(',') })),
	flag('check-send-proxy', { checkSendProxy: true }),
	flag('no-check-send-proxy', { checkSendProxy: false }),
	{
		name: 'check-proto',
		arguments: 1,
		parse(statement, index, options) {
			const proto = statement.word(index);
			if (proto === 'h1' || proto === 'h2' || proto === 'none') set(options, { checkProto: proto });
			else if (proto === 'fcgi') statement.alert(`'check-proto fcgi' is not supported by holdfast`);
			else statement.alert(`'check-proto' :  unknown MUX protocol '${proto}'${didYouMean(proto, ['h1', 'h2'])}`);
		},
	},
	flag('agent-check', { agentCheck: true }),
	flag('no-agent-check', { agentCheck: false }),
	{
		name: 'agent-port',
		arguments: 1,
		parse: (s, i, o) => setAgent(o, { port: s.integer(i, 'agent-port', 0, 65535) ?? 0 }),
	},
	{
		name: 'agent-addr',
		arguments: 1,
		parse: (s, i, o) => setAgent(o, { address: checkAddress(s, i, 'agent-addr', 'forbidden') }),
	},
	{
		name: 'agent-inter',
		arguments: 1,
		parse: (s, i, o) => setAgent(o, { interMs: positiveTime(s, i, 'agent-inter') ?? 2000 }),
	},
	{ name: 'agent-send', arguments: 1, parse: (s, i, o) => setAgent(o, { send: s.word(i) }) },
	value('observe', (s, i) => {
		const observe = s.choice(i, 'observe', ['none', 'layer4', 'layer7']);
		return observe && { observe };
	}),
	value('error-limit', (s, i) => ({ errorLimit: s.integer(i, 'error-limit', 1, MAX_INT) ?? 10 })),
	value('on-error', (s, i) => {
		const onError = s.choice(i, 'on-error', ['fastinter', 'fail-check', 'sudden-death', 'mark-down']);
		return onError && { onError };
	}),
	value('on-marked-down', (s, i) => {
		const action = s.choice(i, 'on-marked-down', ['shutdown-sessions']);
		return { shutdownWhenDown: action === 'shutdown-sessions' };
	}),
	value('on-marked-up', (s, i) => {
		const action = s.choice(i, 'on-marked-up', ['shutdown-backup-sessions']);
		return { shutdownBackupsWhenUp: action === 'shutdown-backup-sessions' };
	}),
	value('slowstart', (s, i) => ({ slowstartMs: s.timeMs(i, 'slowstart') ?? 0 })),
	value('track', readTrack),
	value('init-state', (s, i) => {
		const initState = s.choice(i, 'init-state', ['none', 'up', 'fully-up', 'down', 'fully-down']);
		return initState && { initState };
	}),
];
