/**
 * The `aggregations` section: sums of stick tables over nodes.
 *
 *     aggregations sums                    # in a load balancer: over the nodes of a peers section
 *         peers mypeers
 *         from .local to .sum
 *
 *     aggregations sums                    # a program of its own, for nodes that only know peers
 *         peer aggr1 10.0.0.9:10000 local
 *         peer lb1   10.0.0.1:10000
 *         peer top   10.0.0.20:10000 up    # and another level above
 *         from any to .sum
 *         table-size 100k                  # entries of each node in each table; 1m without it
 *
 * `peers` is read as this keyword while the section has no nodes yet; after that it opens a peers section.
 * `peer` takes the options of a peers section's. Which tables these lines mean is found by check-aggregations.ts.
 */
import type { Place } from '../../core/diagnostics.js';
import type { AggregationDraft } from '../draft.js';
import type { ParserState } from '../state.js';
import { type Keyword, KeywordTable, Statement } from '../statement.js';
import { newPeers, readPeer } from './peers.js';

export interface AggregationSite {
	readonly aggregation: AggregationDraft;
	readonly state: ParserState;
}

export function newAggregation(name: string, place: Place): AggregationDraft {
	return {
		place,
		name,
		sums: [],
		peers: undefined,
		local: undefined,
		levels: new Map(),
		tableSize: undefined,
		section: newPeers(name, place),
	};
}

/** As `stick-table ... size`. */
const MAX_TABLE_SIZE = 2 ** 31 - 1;

const LEVELS = ['local', 'up', 'down'] as const;

function readAggregatedPeer(statement: Statement, { aggregation, state }: AggregationSite): void {
	const at = statement.words.findIndex((word, index) => index > 2 && (LEVELS as readonly string[]).includes(word));
	const level = at < 0 ? undefined : (statement.word(at) as (typeof LEVELS)[number]);
	const words = at < 0 ? statement.words : statement.words.filter((_, index) => index !== at);
	const known = aggregation.section.peers.length;
	readPeer(new Statement(statement.place, words, statement.section, statement.diagnostics), {
		peers: aggregation.section,
		state,
	});
	const peer = aggregation.section.peers[known];
	if (peer === undefined || level === undefined) return;
	if (level !== 'local') aggregation.levels.set(peer.name, level);
	else if (aggregation.local === undefined) aggregation.local = peer.name;
	else {
		statement.alert(`'peer ${peer.name}' : '${aggregation.local}' is the local peer already, a section has one.`);
	}
}

const BUILT: readonly Keyword<AggregationSite>[] = [
	{ name: 'peer', parse: readAggregatedPeer },
	{
		name: 'peers',
		parse(statement, { aggregation }) {
			const name = statement.word(1);
			if (name === '') statement.alert(`'peers' expects the name of a peers section as argument.`);
			else if (!statement.atMost(1)) return;
			else if (aggregation.peers !== undefined) {
				statement.alert(`'peers' : this section sums the tables of '${aggregation.peers.name}' already.`);
			} else aggregation.peers = { place: statement.place, name };
		},
	},
	{
		name: 'from',
		parse(statement, { aggregation }) {
			const [from, to] = [statement.word(1), statement.word(3)];
			if (from === '' || statement.word(2) !== 'to' || to === '') {
				statement.alert(`'from' expects <suffix>|any to <suffix>.`);
				return;
			}
			if (!statement.atMost(3)) return;
			for (const suffix of from === 'any' ? [to] : [from, to]) {
				const bad = /[^A-Za-z0-9_.:-]/.exec(suffix);
				if (bad === null) continue;
				statement.alert(`'from' : character '${bad[0]}' is not permitted in the suffix '${suffix}' of a table name.`);
				return;
			}
			if (from === to) {
				statement.alert(`'from' : a table cannot be the sum of itself.`);
				return;
			}
			aggregation.sums.push({ place: statement.place, from: from === 'any' ? undefined : from, to });
		},
	},
	{
		// Definitions on the wire do not say how large a table is.
		name: 'table-size',
		parse(statement, { aggregation }) {
			const entries = statement.size(1, 'table-size', MAX_TABLE_SIZE);
			if (entries === undefined || !statement.atMost(1)) return;
			if (entries === 0) statement.alert(`'table-size' : a table without entries holds nothing.`);
			else aggregation.tableSize = { place: statement.place, entries };
		},
	},
	{
		name: 'source-check',
		invertible: true,
		parse: (statement, { aggregation }) => {
			aggregation.section.sourceCheck = statement.atMost(0) && statement.prefix !== 'no';
		},
	},
];

export const AGGREGATIONS_KEYWORDS = new KeywordTable<AggregationSite>(BUILT, []);
