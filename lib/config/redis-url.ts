/**
 * Where Redis is, as one word of the configuration:
 *
 *     redis://[[user]:password@]host[:port][/database]              one server
 *     rediss://...                                                  the same over TLS
 *     redis+unix://[[user]:password@]/path/to/socket                one server on a unix socket
 *     redis+sentinel://host[:port][,host[:port]...]/master[/database]   whom Sentinel calls the master
 *     redis+cluster://host[:port][,host[:port]...]                  a Redis Cluster, found from any of its nodes
 *     rediss+sentinel://... rediss+cluster://...                    both over TLS, the sentinels too
 *
 * User and password may stand before `@` in all forms, with `%` escapes; a password file keeps them out of the conf file.
 */
import type { RedisServersModel } from './model.js';

export type ParsedRedisUrl =
	| { readonly ok: true; readonly servers: RedisServersModel }
	| { readonly ok: false; readonly reason: string };

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26379;
const MAX_DATABASE = 65_535;

const SCHEMES: ReadonlyMap<string, Pick<RedisServersModel, 'kind' | 'tls'>> = new Map([
	['redis', { kind: 'single', tls: false }],
	['rediss', { kind: 'single', tls: true }],
	['redis+unix', { kind: 'unix', tls: false }],
	['redis+sentinel', { kind: 'sentinel', tls: false }],
	['rediss+sentinel', { kind: 'sentinel', tls: true }],
	['redis+cluster', { kind: 'cluster', tls: false }],
	['rediss+cluster', { kind: 'cluster', tls: true }],
]);

export const REDIS_SCHEMES = [...SCHEMES.keys()];

const failed = (reason: string): ParsedRedisUrl => ({ ok: false, reason });

export function parseRedisUrl(text: string): ParsedRedisUrl {
	const match = /^([a-z+]+):\/\/(?:([^@/]*)@)?([^/]*)(\/.*)?$/.exec(text);
	const scheme = SCHEMES.get(match?.[1] ?? '');
	if (match === null || scheme === undefined) {
		return failed(`expects a URL that begins with ${REDIS_SCHEMES.map((name) => `${name}://`).join(', ')}`);
	}
	const { kind, tls } = scheme;
	const user = userOf(match[2]);
	if (user === undefined) return failed('the user or the password has a broken % escape');
	const rest = match[4] ?? '';
	if (kind === 'unix') {
		if (match[3] !== '' || rest.length < 2)
			return failed('expects the path of a socket, as in redis+unix:///run/redis.sock');
		return { ok: true, servers: { kind, tls, ...user, nodes: [], path: rest, master: undefined, database: 0 } };
	}
	const nodes: { host: string; port: number }[] = [];
	for (const word of match[3]!.split(',')) {
		const node = nodeOf(word, kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT);
		if (node === undefined) return failed(`'${word}' is not a host with an optional port`);
		nodes.push(node);
	}
	if (kind === 'single' && nodes.length > 1) {
		return failed('names one server; several are redis+sentinel:// or redis+cluster://');
	}
	const parts = rest === '' || rest === '/' ? [] : rest.slice(1).split('/');
	const master = kind === 'sentinel' ? parts.shift() : undefined;
	if (kind === 'sentinel' && (master === undefined || master === '')) {
		return failed('expects the name of the master after the sentinels, as in redis+sentinel://h1,h2/mymaster');
	}
	if (kind === 'cluster' && parts.length > 0)
		return failed('a Redis Cluster has one database, nothing may follow its nodes');
	const database = parts.length === 0 ? 0 : /^\d{1,5}$/.test(parts[0]!) ? Number(parts[0]) : Number.NaN;
	if (parts.length > 1 || !(database <= MAX_DATABASE))
		return failed(`'${parts.join('/')}' is not the number of a database`);
	return { ok: true, servers: { kind, tls, ...user, nodes, path: undefined, master, database } };
}

function userOf(text: string | undefined): Pick<RedisServersModel, 'user' | 'password'> | undefined {
	if (text === undefined || text === '') return { user: undefined, password: undefined };
	const colon = text.indexOf(':');
	try {
		const name = decodeURIComponent(colon < 0 ? text : text.slice(0, colon));
		const password = colon < 0 ? undefined : decodeURIComponent(text.slice(colon + 1));
		return { user: name === '' ? undefined : name, password };
	} catch {
		return undefined;
	}
}

function nodeOf(word: string, defaultPort: number): { host: string; port: number } | undefined {
	const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(word);
	const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
	if (match === null || port < 1 || port > 65_535) return undefined;
	return { host: (match[1] ?? match[2])!, port };
}

/** For the log and `show`: without user and password. */
export function redisUrlText({ kind, tls, nodes, path, master, database }: RedisServersModel): string {
	const scheme = [...SCHEMES].find(([, one]) => one.kind === kind && one.tls === tls)?.[0] ?? 'redis';
	const hosts = nodes.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
	const tail = [master, database === 0 ? undefined : String(database)].filter((part) => part !== undefined);
	return `${scheme}://${path ?? hosts}${tail.length === 0 ? '' : `/${tail.join('/')}`}`;
}
