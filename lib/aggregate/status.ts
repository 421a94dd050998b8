/**
 * How far the sums of this node are behind each origin, as numbers: for metrics and the statistics page. The text of
 * `show aggregations` is in show.ts.
 */
import type { RedisStatus } from './redis/replication.js';
import type { AggregationDescription } from './show.js';

/**
 * One origin of one table: of a summed one by any way, of one that is overwritten through Redis. Of peers that overwrite
 * peers/show.ts tells.
 */
export interface OriginStatus {
	/** The peers section, or `aggregations NAME` of an aggregator for others. */
	readonly section: string;
	/** As on the wire; the table of its sums, undefined where nothing is summed. */
	readonly table: string;
	readonly sumTable: string | undefined;
	readonly origin: string;
	readonly via: 'peers' | 'redis';
	/** It is there: it has told its share itself, in the session that stands or within its last heartbeats. */
	readonly isLive: boolean;
	/** Entries of its share that are known here; undefined where all have the same entries. */
	readonly entries: number | undefined;
	/** From counting there to knowing here, of what came last; undefined: nothing came, or not measured (peers). */
	readonly lagMs: number | undefined;
	/** Since something of it was learned; undefined: never. */
	readonly lastHeardMs: number | undefined;
}

/** Earlier processes of this node are left out: what they counted is its own by now. */
export function originStatuses(
	descriptions: readonly AggregationDescription[],
	redis: readonly RedisStatus[] = [],
): OriginStatus[] {
	const overwriting = redis.flatMap(({ section, tables }) =>
		tables
			.filter(({ mode }) => mode === 'overwriting')
			.flatMap(({ name, nodes }) =>
				nodes.map(
					(node): OriginStatus => ({
						section,
						table: name,
						sumTable: undefined,
						origin: node.name,
						via: 'redis',
						isLive: node.isAlive,
						entries: node.entries,
						lagMs: node.lagMs,
						lastHeardMs: node.lastWordMs,
					}),
				),
			),
	);
	const summed = descriptions.flatMap(({ section, tables }) =>
		tables.flatMap(({ name, sumName, origins }) =>
			origins
				.filter(({ isSelf }) => !isSelf)
				.map(
					(origin): OriginStatus => ({
						section,
						table: name,
						sumTable: sumName,
						origin: origin.name,
						via: origin.via,
						isLive: origin.isDirect,
						entries: origin.entries,
						lagMs: origin.lagMs,
						lastHeardMs: origin.lastWordMs,
					}),
				),
		),
	);
	return [...summed, ...overwriting];
}
