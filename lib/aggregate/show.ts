/** `show aggregations`: the state of the sums as data, and that data as text. */
import type { Clock } from '../core/clock.js';
import type { Aggregation } from './aggregation.js';

export interface AggregationDescription {
	readonly name: string;
	readonly section: string;
	/** Which of this node's lives its share is told as; 0 in an aggregator for others, which has no share. */
	readonly life: number;
	readonly tables: readonly SummedTableDescription[];
}

export interface SummedTableDescription {
	/** Names as on the wire: those of a peers section begin with a slash. */
	readonly name: string;
	readonly sumName: string;
	/** Entries this node has counted; undefined in an aggregator for others. */
	readonly ownEntries: number | undefined;
	readonly sumEntries: number;
	readonly origins: readonly OriginDescription[];
}

export interface OriginDescription {
	readonly name: string;
	/** Earlier processes of this node, whose counts came back to it. */
	readonly isSelf: boolean;
	readonly life: number;
	readonly lives: number;
	readonly entries: number;
	/** It has told its share in the session that stands. */
	readonly isDirect: boolean;
	/** Milliseconds since something of it was learned; undefined: never. */
	readonly lastWordMs: number | undefined;
	readonly via: 'peers' | 'redis';
	/** From counting there to knowing here, of what came last; undefined where it is not measured. */
	readonly lagMs: number | undefined;
}

export function describeAggregation(aggregation: Aggregation, section: string, clock: Clock): AggregationDescription {
	const nowMs = clock.monotonicMs();
	const summedTables = [...aggregation.summed.values()];
	return {
		name: aggregation.name,
		section,
		life: summedTables.some(({ own }) => own !== undefined) ? aggregation.life : 0,
		tables: summedTables.map(({ wireName, sumWireName, own, target, total, origins }) => ({
			name: wireName,
			sumName: sumWireName,
			ownEntries: own?.usedCount(),
			sumEntries: Math.max(total?.usedCount() ?? 0, target?.usedCount() ?? 0, own?.usedCount() ?? 0),
			origins: [...origins.values()].map(({ name, lives, isDirect, lastWordMs, lagMs, via }) => ({
				name,
				isSelf: own !== undefined && name === aggregation.localName,
				life: lives[0]?.number ?? 0,
				lives: lives.length,
				entries: lives.reduce((sum, { table }) => Math.max(sum, table.usedCount()), 0),
				isDirect,
				lastWordMs: lastWordMs === undefined ? undefined : nowMs - lastWordMs,
				via,
				lagMs,
			})),
		})),
	};
}

export function formatAggregations(aggregations: readonly AggregationDescription[]): string {
	return aggregations.map(formatAggregation).join('');
}

function formatAggregation({ name, section, life, tables }: AggregationDescription): string {
	const lines = [`# aggregation: ${name}, section: ${section}${life === 0 ? '' : `, life: ${life}`}`];
	for (const table of tables) {
		const own = table.ownEntries === undefined ? '' : ` own=${table.ownEntries}`;
		lines.push(`  table ${table.name} to ${table.sumName}:${own} sum=${table.sumEntries}`);
		for (const origin of table.origins) {
			const last = origin.lastWordMs === undefined ? '<NEVER>' : `${origin.lastWordMs}ms`;
			const lag = origin.lagMs === undefined ? '<NEVER>' : `${Math.round(origin.lagMs)}ms`;
			const way = origin.via === 'peers' ? '' : ` lag=${lag} via=redis`;
			const state = origin.isSelf ? 'earlier' : origin.isDirect ? 'direct' : 'away';
			lines.push(
				`    origin ${origin.name}(${state}) life=${origin.life} lives=${origin.lives} entries=${origin.entries} last_word=${last}${way}`,
			);
		}
	}
	return `${lines.join('\n')}\n`;
}
