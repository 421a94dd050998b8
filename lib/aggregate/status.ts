/**
 * How far the sums of this node are behind each origin, as numbers: for metrics and the statistics page. The text of
 * `show aggregations` is in show.ts.
 */
import type { AggregationDescription } from './show.js';

/** One origin of one summed table. Of the nodes that only overwrite (no sums) peers/show.ts tells. */
export interface OriginStatus {
	/** The peers section, or `aggregations NAME` of an aggregator for others. */
	readonly section: string;
	/** The summed table, and the table of its sums, as on the wire. */
	readonly table: string;
	readonly sumTable: string;
	readonly origin: string;
	readonly via: 'peers' | 'redis';
	/** It is there: it has told its share itself, in the session that stands or within its last heartbeats. */
	readonly isLive: boolean;
	/** Entries of its share that are known here. */
	readonly entries: number;
	/** From counting there to knowing here, of what came last; undefined: nothing came, or not measured (peers). */
	readonly lagMs: number | undefined;
	/** Since something of it was learned; undefined: never. */
	readonly lastHeardMs: number | undefined;
}

/** Earlier processes of this node are left out: what they counted is its own by now. */
export function originStatuses(descriptions: readonly AggregationDescription[]): OriginStatus[] {
	return descriptions.flatMap(({ section, tables }) =>
		tables.flatMap(({ name, sumName, origins }) =>
			origins
				.filter(({ isSelf }) => !isSelf)
				.map((origin) => ({
					section,
					table: name,
					sumTable: sumName,
					origin: origin.name,
					via: origin.via,
					isLive: origin.isDirect,
					entries: origin.entries,
					lagMs: origin.lagMs,
					lastHeardMs: origin.lastWordMs,
				})),
		),
	);
}
