/**
 * The `peers` section (manual, 3.5), in both its forms: `peer NAME ADDRESS` for every node, the local one
 * included, or `bind ADDRESS` with `server NAME` for the local and `server NAME ADDRESS` for the others.
 */

import { Diagnostics, type Place } from '../../core/diagnostics.js';
import { parseAddress } from '../address.js';
import { copyServerOptions, newServerOptions, type PeersDraft } from '../draft.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, Statement } from '../statement.js';
import { type BindOptions, newBindOptions, readBind, readBindOptions } from './bind.js';
import { readLog } from './log.js';
import { readRedis } from './redis.js';
import { checkName, readDefaultServer, readServerOptions, tlsOf } from './server.js';
import { readStickTable } from './stick-table.js';

export interface PeersSite {
	readonly peers: PeersDraft;
	readonly state: ParserState;
}

export function newPeers(name: string, place: Place): PeersDraft {
	return {
		place,
		name,
		disabled: false,
		binds: [],
		bindDefaults: [],
		peers: [],
		shards: 0,
		tables: [],
		logTargets: [],
		logs: [],
		sourceCheck: false,
		redis: undefined,
		hasRedis: false,
		serverDefaults: newServerOptions(),
	};
}

/** Shards a peers section may have, a bound far over any use. */
const MAX_SHARDS = 2 ** 31 - 1;

/** A `peer` or `server` line, into the section; nothing is added when it is refused. */
export function readPeer(statement: Statement, { peers, state }: PeersSite): void {
	const keyword = statement.word(0) === 'peer' ? 'peer' : 'server';
	const name = statement.word(1);
	if (name === '' || (keyword === 'peer' && statement.word(2) === '')) {
		statement.alert(
			keyword === 'peer'
				? `'peer' expects <name> and <addr>[:<port>] as arguments.`
				: `'server' expects <name> as argument, and <addr>:<port> unless it is the local peer.`,
		);
		return;
	}
	if (!checkName(statement, name, 'peer name')) return;
	const known = peers.peers.find((peer) => peer.name === name);
	if (known !== undefined) {
		statement.alert(
			`'${keyword} ${name}' : another peer named '${name}' was already defined at line ${known.place.line}, please use distinct names.`,
		);
		return;
	}
	// A second word that looks like no address begins the options of the local peer.
	const hasAddress = keyword === 'peer' || /[:@/]/.test(statement.word(2));
	const parsed = hasAddress
		? parseAddress(statement.word(2), { port: 'required', names: true, anyHost: keyword === 'peer' })
		: undefined;
	if (parsed !== undefined && !parsed.ok) statement.alert(`'${keyword} ${name}' : ${parsed.reason}`);
	const options = copyServerOptions(peers.serverDefaults);
	readServerOptions(statement, hasAddress ? 3 : 2, options, state, keyword, true);
	if (parsed !== undefined && !parsed.ok) return;
	peers.peers.push({
		keyword,
		place: statement.place,
		name,
		address: parsed?.address,
		disabled: options.disabled,
		shard: options.shard,
		tls: tlsOf(options, state),
	});
}

/** `bind` with what `default-bind` has set before. */
function readPeersBind(statement: Statement, { peers, state }: PeersSite): void {
	const drafts = readBind(statement, 1, state, bindDefaultsOf(peers, state));
	if (peers.binds.length + drafts.length > 1) {
		statement.alert(`'bind' : only one listening address per peers section is permitted.`);
		return;
	}
	peers.binds.push(...drafts);
}

/** The options of `default-bind`; its line was checked when it was read. */
export function bindDefaultsOf(peers: PeersDraft, state: ParserState): BindOptions {
	const options = newBindOptions();
	const words = ['default-bind', '', ...peers.bindDefaults];
	readBindOptions(new Statement(peers.place, words, 'peers', new Diagnostics()), 2, options, state, 'default-bind');
	return options;
}

const BUILT: readonly Keyword<PeersSite>[] = [
	{ name: 'peer', parse: readPeer },
	{ name: 'server', parse: readPeer },
	{ name: 'bind', parse: readPeersBind },
	{
		name: 'default-bind',
		parse(statement, { peers, state }) {
			if (statement.words.length < 2) statement.alert(`'default-bind' expects at least one option as argument.`);
			else {
				// Read now for its mistakes, kept as words for the listener that comes later.
				const words = ['default-bind', '', ...statement.words.slice(1)];
				const checked = new Statement(statement.place, words, 'peers', statement.diagnostics);
				readBindOptions(checked, 2, newBindOptions(), state, 'default-bind');
				peers.bindDefaults = [...peers.bindDefaults, ...statement.words.slice(1)];
			}
		},
	},
	{
		name: 'default-server',
		parse: (statement, { peers, state }) => readDefaultServer(statement, peers.serverDefaults, state, true),
	},
	{
		name: 'table',
		parse(statement, { peers, state }) {
			const name = statement.word(1);
			if (name === '') {
				statement.alert(`'table' expects a name, then the arguments of a stick-table.`);
				return;
			}
			if (!checkName(statement, name, 'table name')) return;
			const full = `${peers.name}/${name}`;
			const known = peers.tables.find((table) => table.name === full);
			if (known !== undefined) {
				statement.alert(
					`stick-table name '${full}' conflicts with table declared in peers '${peers.name}' at ${known.place.file}:${known.place.line}.`,
				);
				return;
			}
			const table = readStickTable(statement, 2, full, peers.name);
			if (table === undefined) state.tableRefused = true;
			else peers.tables.push(table);
		},
	},
	{ name: 'log', invertible: true, parse: (statement, { peers }) => readLog(statement, peers.logs, true) },
	{
		name: 'shards',
		parse(statement, { peers }) {
			peers.shards = statement.integer(1, 'shards', 1, MAX_SHARDS) ?? peers.shards;
		},
	},
	{
		name: 'disabled',
		parse: (statement, { peers }) => {
			peers.disabled = statement.atMost(0) || peers.disabled;
		},
	},
	{
		name: 'enabled',
		parse: (statement, { peers }) => {
			peers.disabled = !statement.atMost(0) && peers.disabled;
		},
	},
	// Holdfast's own: callers whose address is no peer's are refused.
	{
		name: 'source-check',
		invertible: true,
		parse: (statement, { peers }) => {
			peers.sourceCheck = statement.atMost(0) && statement.prefix !== 'no';
		},
	},
	{ name: 'redis', parse: readRedis },
];

export const PEERS_KEYWORDS = new KeywordTable<PeersSite>(BUILT, []);
