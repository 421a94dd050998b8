/** What `show peers` says of a section that goes through Redis. */
import type { RedisStatus } from './replication.js';
import type { NodeStatus } from './sinks.js';
import type { TableStatus } from './table-sync.js';

const ms = (value: number | undefined): string => (value === undefined ? '<NEVER>' : `${Math.round(value)}ms`);

export function formatRedis(status: RedisStatus): string {
	const { url, isReady, trouble, node, claim, intervalMs, roundMs, lastRoundMs, connects, failures, tables } = status;
	const lines = [
		`  redis ${url}: state=${isReady ? 'READY' : 'AWAY'} node=${node}(${claim}) interval=${intervalMs}ms round=${ms(roundMs)} last_round=${ms(lastRoundMs)} connects=${connects} failures=${failures}`,
	];
	if (trouble !== undefined) lines.push(`        trouble: ${trouble}`);
	for (const table of tables) {
		lines.push(tableLine(table));
		for (const one of table.nodes) lines.push(nodeLine(one));
	}
	return `${lines.join('\n')}\n\n`;
}

function tableLine({ name, mode, ...table }: TableStatus): string {
	return `        table ${name}(${mode}) state=${table.state} behind=${table.pendingUpdates} entries_in_redis=${table.entriesInRedis} tx_batches=${table.batchesWritten} tx_updates=${table.entriesWritten} rx_batches=${table.batchesRead} rx_updates=${table.entriesRead} rereads=${table.scans}`;
}

function nodeLine({ name, isAlive, entries, lagMs, lastWordMs }: NodeStatus): string {
	const share = entries === undefined ? '' : ` entries=${entries}`;
	return `          node ${name}(${isAlive ? 'alive' : 'gone'})${share} lag=${ms(lagMs)} last_word=${ms(lastWordMs)}`;
}
