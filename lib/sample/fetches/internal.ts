/**
 * Fetches from internal state (manual, 7.3.2 and the proxies' part of 7.3.3): the process, proxies and servers.
 * A proxy that is not named is the current one: the frontend of the stream for `fe_*`, its backend for `be_*`.
 */

import { randomInt, randomUUID } from 'node:crypto';
import { programPid } from '../../core/program-pid.js';
import { decisionText } from '../sightings.js';
import type {
	ArgumentValue,
	CompileContext,
	Evaluate,
	FetchDescriptor,
	ProxyView,
	SampleValue,
	ServerView,
	StreamView,
} from '../types.js';
import { numberArgument, optional, plain, required, textArgument } from './define.js';

/** Where `avg_queue` stands when no server is up: twice the queue, as the manual says. */
const QUEUE_FACTOR_WITHOUT_SERVERS = 2;

function ofBackend(name: string, read: (backend: ProxyView) => SampleValue | undefined): FetchDescriptor {
	return {
		name,
		args: [optional('backend')],
		type: 'sint',
		needs: ['internal'],
		compile: ([argument], context) => {
			const fixed = argument as ProxyView | undefined;
			if (fixed !== undefined) return () => read(fixed);
			const own = context.proxy === undefined ? undefined : context.backend(context.proxy.name);
			return (stream) => {
				const backend = stream.backend ?? own;
				return backend === undefined ? undefined : read(backend);
			};
		},
	};
}

function ofFrontend(name: string, read: (frontend: ProxyView) => SampleValue | undefined): FetchDescriptor {
	return {
		name,
		args: [optional('frontend')],
		type: 'sint',
		needs: ['internal'],
		compile: ([argument]) => {
			const fixed = argument as ProxyView | undefined;
			return fixed === undefined ? (stream) => read(stream.frontend) : () => read(fixed);
		},
	};
}

function ofServer(name: string, type: 'sint' | 'bool', read: (server: ServerView) => SampleValue): FetchDescriptor {
	return {
		name,
		args: [required('server')],
		type,
		needs: ['internal'],
		compile: ([argument]) => {
			const server = argument as ServerView;
			return () => read(server);
		},
	};
}

/** Connections that servers may still take; -1 when one of them has no limit. Of backups only when all others are down. */
function freeConnections(backend: ProxyView): number {
	let free = 0;
	const hasActive = backend.servers.some((server) => server.backup !== true && server.isUsable());
	for (const server of backend.servers) {
		if (!server.isUsable() || (hasActive && server.backup === true)) continue;
		if (server.maxconn === 0) return -1;
		free += Math.max(0, server.maxconn - server.currentSessions());
	}
	return free;
}

/** Servers' free connections and free places in their queues; -1 where one of the two has no limit. */
function connectionSlots(backend: ProxyView): number {
	let slots = 0;
	for (const server of backend.servers) {
		if (!server.isUsable()) continue;
		const maxqueue = server.maxqueue ?? 0;
		if (server.maxconn === 0 || maxqueue === 0) return -1;
		slots += server.maxconn - server.currentSessions() + maxqueue - server.queuedCount();
	}
	return slots;
}

function averageQueue(backend: ProxyView): number {
	const servers = backend.usableServerCount();
	const queued = backend.queuedCount();
	return servers > 0 ? Math.ceil(queued / servers) : queued * QUEUE_FACTOR_WITHOUT_SERVERS;
}

const UNITS_PER_SECOND: ReadonlyMap<string, number> = new Map([
	['s', 1],
	['ms', 1000],
	['us', 1_000_000],
]);

/** Checks an optional unit of time, argument `index` (`date`, `http_date`). */
export function checkTimeUnit(args: readonly ArgumentValue[], index: number): string | undefined {
	const unit = textArgument(args[index]);
	if (unit === undefined || unit === '' || UNITS_PER_SECOND.has(unit)) return undefined;
	return `'${unit}' is not a unit : expects 's', 'ms' or 'us'`;
}

function compileDate(args: readonly ArgumentValue[], context: CompileContext): Evaluate {
	const offset = numberArgument(args[0]) ?? 0;
	const perSecond = UNITS_PER_SECOND.get(textArgument(args[1]) ?? 's') ?? 1;
	const clock = context.process.clock;
	return () => Math.floor((clock.wallMs() * perSecond) / 1000) + offset;
}

/** Random numbers need not be secret here, only even: one call of the system per 2^32 range is avoided. */
function compileRandom(args: readonly ArgumentValue[]): Evaluate {
	const range = numberArgument(args[0]) ?? 2 ** 32;
	return range <= 2 ** 32 ? () => Math.floor(Math.random() * range) : () => randomInt(Math.min(range, 2 ** 47));
}

export const INTERNAL_FETCHES: readonly FetchDescriptor[] = [
	ofBackend('be_conn', (backend) => backend.currentSessions()),
	ofBackend('be_conn_free', freeConnections),
	ofBackend('be_sess_rate', (backend) => backend.sessionRate()),
	ofBackend('connslots', connectionSlots),
	ofBackend('queue', (backend) => backend.queuedCount()),
	ofBackend('avg_queue', averageQueue),
	ofBackend('nbsrv', (backend) => backend.usableServerCount()),
	// As long as no backend is known, the frontend stands for it.
	plain('be_id', 'sint', 'backend', (stream) => (stream.backend ?? stream.frontend).id),
	plain('be_name', 'str', 'backend', (stream) => (stream.backend ?? stream.frontend).name),
	plain('be_server_timeout', 'sint', 'backend', (stream) =>
		stream.backend === undefined ? undefined : (stream.backend.serverTimeoutMs ?? 0),
	),
	plain('be_tunnel_timeout', 'sint', 'backend', (stream) =>
		stream.backend === undefined ? undefined : (stream.backend.tunnelTimeoutMs ?? 0),
	),
	plain('cur_server_timeout', 'sint', 'backend', (stream) =>
		stream.backend === undefined ? undefined : (stream.serverTimeoutMs ?? stream.backend.serverTimeoutMs ?? 0),
	),
	plain('cur_tunnel_timeout', 'sint', 'backend', (stream) =>
		stream.backend === undefined ? undefined : (stream.tunnelTimeoutMs ?? stream.backend.tunnelTimeoutMs ?? 0),
	),
	plain(
		'cur_client_timeout',
		'sint',
		'session',
		(stream) => stream.clientTimeoutMs ?? stream.frontend.clientTimeoutMs ?? 0,
	),
	plain('prio_class', 'sint', 'internal', (stream) => stream.priorityClass),
	plain('prio_offset', 'sint', 'internal', (stream) => stream.priorityOffsetMs),
	ofFrontend('fe_conn', (frontend) => frontend.currentSessions()),
	ofFrontend('fe_req_rate', (frontend) => frontend.requestRate()),
	ofFrontend('fe_sess_rate', (frontend) => frontend.sessionRate()),
	plain('fe_id', 'sint', 'session', (stream) => stream.frontend.id),
	plain('fe_name', 'str', 'session', (stream) => stream.frontend.name),
	plain('fe_defbe', 'str', 'session', (stream) => stream.frontend.defaultBackendName),
	plain('fe_client_timeout', 'sint', 'session', (stream) => stream.frontend.clientTimeoutMs ?? 0),
	plain('srv_id', 'sint', 'server', (stream) => stream.server?.id),
	plain('srv_name', 'str', 'server', (stream) => stream.server?.name),
	ofServer('srv_conn', 'sint', (server) => server.currentSessions()),
	ofServer('srv_conn_free', 'sint', (server) =>
		server.maxconn === 0 ? -1 : Math.max(0, server.maxconn - server.currentSessions()),
	),
	ofServer('srv_is_up', 'bool', (server) => server.isUsable()),
	ofServer('srv_queue', 'sint', (server) => server.queuedCount()),
	ofServer('srv_sess_rate', 'sint', (server) => server.sessionRate()),
	ofServer('srv_iweight', 'sint', (server) => server.initialWeight),
	ofServer('srv_uweight', 'sint', (server) => server.effectiveWeight()),
	ofServer('srv_weight', 'sint', (server) => server.effectiveWeight()),
	{
		name: 'date',
		args: [optional('sint'), optional('string')],
		type: 'sint',
		needs: ['internal'],
		check: (args) => checkTimeUnit(args, 1),
		compile: compileDate,
	},
	{
		name: 'date_us',
		args: [],
		type: 'sint',
		needs: ['internal'],
		compile: (_args, context) => () => (context.process.clock.wallMs() % 1000) * 1000,
	},
	{
		name: 'env',
		args: [required('string')],
		type: 'str',
		needs: ['internal'],
		// Read once: the environment is that of the start of the process, with what the file set in it.
		compile: (args, context) => {
			const name = textArgument(args[0]) ?? '';
			const value = context.model.global.environment.get(name) ?? process.env[name];
			const bytes = value === undefined ? undefined : Buffer.from(value).toString('latin1');
			return () => bytes;
		},
	},
	{
		name: 'hostname',
		args: [],
		type: 'str',
		needs: ['internal'],
		compile: (_args, context) => () => context.process.hostname,
	},
	plain('nbproc', 'sint', 'internal', () => 1),
	plain('proc', 'sint', 'internal', () => 1),
	plain('pid', 'sint', 'internal', programPid),
	{
		name: 'thread',
		args: [],
		type: 'sint',
		needs: ['internal'],
		compile: (_args, context) => () => context.process.threadIndex,
	},
	{
		name: 'nbthread',
		args: [],
		type: 'sint',
		needs: ['internal'],
		compile: (_args, context) => () => context.process.threadCount,
	},
	{
		name: 'act_conn',
		args: [],
		type: 'sint',
		needs: ['internal'],
		compile: (_args, context) => () => context.process.activeConnections(),
	},
	{
		name: 'stopping',
		args: [],
		type: 'bool',
		needs: ['internal'],
		compile: (_args, context) => () => context.process.isStopping(),
	},
	{
		name: 'rand',
		args: [optional('sint')],
		type: 'sint',
		needs: ['internal'],
		check: (args) => ((numberArgument(args[0]) ?? 1) > 0 ? undefined : 'the range must be above zero'),
		compile: compileRandom,
	},
	{
		name: 'uuid',
		args: [optional('sint')],
		type: 'str',
		needs: ['internal'],
		check: (args) => ((numberArgument(args[0]) ?? 4) === 4 ? undefined : 'only version 4 is supported'),
		compile: () => () => randomUUID(),
	},
	plain('last_rule_file', 'str', 'internal', (stream) => stream.lastRule?.file),
	plain('last_rule_line', 'sint', 'internal', (stream) => stream.lastRule?.line),
	// Holdfast's own, with `option log-decision`: why a request ended here.
	plain('decision', 'str', 'internal', ({ decision }) => (decision === undefined ? undefined : decisionText(decision))),
	plain('decision_rule', 'str', 'internal', ({ decision }) => decision?.rule),
	plain('decision_table', 'str', 'internal', ({ decision }) => decision?.sightings[0]?.table),
	plain('decision_key', 'any', 'internal', ({ decision }) => decision?.sightings[0]?.key),
	plain('decision_data', 'str', 'internal', ({ decision }) => decision?.sightings[0]?.data),
	plain('decision_value', 'any', 'internal', ({ decision }) => decision?.sightings[0]?.value),
	plain('unique-id', 'str', 'internal', (stream) => stream.uniqueId()),
	plain('wait_end', 'bool', 'internal', waitEnd),
];

/** True at the end of the inspection; before it nothing, which makes a condition wait. */
function waitEnd(stream: StreamView): SampleValue | undefined {
	return stream.requestBufferComplete ? true : undefined;
}
