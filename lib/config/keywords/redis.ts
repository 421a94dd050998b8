/**
 * `redis` in a peers section: its tables are shared through Redis instead of from node to node.
 *
 *     redis <url> [prefix <p>] [user <name>] [password-file <f>] [ca-file <f>] [crt <f>]
 *                 [verify none|required] [interval <time>] [keep <time>]
 *
 *     url            where Redis is, see redis-url.ts
 *     prefix         what all keys begin with; `holdfast:<name of the section>` without it. Nodes that share it share their
 *                    tables, so clusters that use one Redis need prefixes or section names of their own
 *     user           of Redis 6 and later, when it is not in the URL
 *     password-file  whose first line is the password; out of the conf file, and out of the process list
 *     ca-file        certificates that the server's is checked with, for `rediss` URLs; those of the system without it
 *     crt            certificate and key that this node shows, for `rediss` URLs; Redis asks for one unless it has
 *                    `tls-auth-clients no`
 *     verify         whether the server's certificate is checked, which it is without this (`none` is for tests: whoever is
 *                    in between may then count what he likes)
 *     interval       pause between two rounds of writing and reading, 50 ms without it. What one node counts is known to the
 *                    others after one and a half of it, and twice the way to Redis
 *     keep           how long Redis keeps what a node has counted in tables without `expire` after the node was heard of
 *                    last, and everything else after the last node of all; 7 days without it. Entries of tables with
 *                    `expire` go by that
 *
 * The node's name is that of the local peer (`-L`, `localpeer`, host name); a `peer` or `server` line is only needed
 * for the local peer, where a new process of this node is taught by the old one. Redis 5.0 and later will do; 6.2 and
 * later trim the streams by time. Redis must not evict our keys (`maxmemory-policy noeviction`, or a volatile one).
 */
import { X509Certificate } from 'node:crypto';
import { PRIVATE_KEY } from '../certificates.js';
import type { RedisModel } from '../model.js';
import { parseRedisUrl } from '../redis-url.js';
import type { Statement } from '../statement.js';
import type { PeersSite } from './peers.js';

const DEFAULT_INTERVAL_MS = 50;
const MIN_INTERVAL_MS = 5;
const MAX_INTERVAL_MS = 10_000;
const DEFAULT_KEEP_MS = 7 * 86_400_000;
const MIN_KEEP_MS = 60_000;
const MAX_KEEP_MS = 24 * 86_400_000;
const OPTIONS = ['prefix', 'user', 'password-file', 'ca-file', 'crt', 'verify', 'interval', 'keep'] as const;

export function readRedis(statement: Statement, { peers, state }: PeersSite): void {
	const url = statement.word(1);
	peers.hasRedis = true;
	if (url === '') {
		statement.alert(`'redis' expects <url> as argument, as in redis://host:6379.`);
		return;
	}
	if (peers.redis !== undefined) {
		statement.alert(`'redis' : this section has one already, at line ${peers.redis.place.line}.`);
		return;
	}
	const parsed = parseRedisUrl(url);
	if (!parsed.ok) {
		statement.alert(`'redis' : ${parsed.reason}.`);
		return;
	}
	let { user, password } = parsed.servers;
	let prefix = `holdfast:${peers.name}`;
	let ca: string | undefined;
	let certificate: string | undefined;
	let verify: RedisModel['verify'] = 'required';
	let intervalMs = DEFAULT_INTERVAL_MS;
	let keepMs = DEFAULT_KEEP_MS;
	for (let at = 2; at < statement.words.length; at += 2) {
		const option = statement.choice(at, 'redis', OPTIONS);
		if (option === undefined) return;
		const value = statement.word(at + 1);
		if (value === '') {
			statement.alert(`'redis' : '${option}' expects an argument.`);
			return;
		}
		switch (option) {
			case 'prefix':
				// Braces would decide which node of a cluster a key is on; the rest is for people who read keys.
				if (!/^[A-Za-z0-9_.:/-]{1,128}$/.test(value)) {
					statement.alert(`'redis' : a prefix is 1 to 128 letters, digits and '_.:/-', not '${value}'.`);
					return;
				}
				prefix = value;
				break;
			case 'user':
				user = value;
				break;
			case 'password-file': {
				const text = state.tryReadFile(value, statement.place);
				if (typeof text !== 'string') {
					statement.alert(`'redis' : cannot read file '${value}' : ${text.reason}.`);
					return;
				}
				password = text.split(/\r?\n/, 1)[0];
				if (password === '') {
					statement.alert(`'redis' : the first line of file '${value}' is empty, it should be the password.`);
					return;
				}
				break;
			}
			case 'ca-file':
			case 'crt':
			case 'verify': {
				if (!parsed.servers.tls) {
					statement.alert(
						`'redis' : '${option}' is for TLS, which the URL asks for with rediss:// instead of redis://.`,
					);
					return;
				}
				if (option === 'verify') {
					const found = statement.choice(at + 1, 'verify', ['none', 'required']);
					if (found === undefined) return;
					verify = found;
					break;
				}
				const text = state.readFile(value, statement.place, `'redis'`);
				if (text === undefined) return;
				const trouble = troubleOf(text, option === 'crt');
				if (trouble !== undefined) {
					statement.alert(`'redis' : file '${value}' ${trouble}.`);
					return;
				}
				if (option === 'crt') certificate = text;
				else ca = text;
				break;
			}
			case 'interval': {
				const given = statement.timeMs(at + 1, 'interval');
				if (given === undefined) return;
				if (given < MIN_INTERVAL_MS || given > MAX_INTERVAL_MS) {
					statement.alert(
						`'redis' : 'interval' is between ${MIN_INTERVAL_MS}ms and ${MAX_INTERVAL_MS}ms, not '${value}'.`,
					);
					return;
				}
				intervalMs = given;
				break;
			}
			case 'keep': {
				const given = statement.timeMs(at + 1, 'keep');
				if (given === undefined) return;
				if (given < MIN_KEEP_MS || given > MAX_KEEP_MS) {
					statement.alert(`'redis' : 'keep' is between a minute and 24 days, not '${value}'.`);
					return;
				}
				keepMs = given;
				break;
			}
		}
	}
	const redis: RedisModel = {
		place: statement.place,
		servers: { ...parsed.servers, user, password },
		prefix,
		ca,
		certificate,
		verify,
		intervalMs,
		keepMs,
	};
	peers.redis = redis;
}

/** What is wrong with a file of certificates, found before the first connection rather than by it. */
function troubleOf(pem: string, isOwn: boolean): string | undefined {
	try {
		new X509Certificate(pem);
	} catch {
		return 'holds no certificate';
	}
	return isOwn && !PRIVATE_KEY.test(pem) ? 'holds no private key, which belongs behind the certificate' : undefined;
}
