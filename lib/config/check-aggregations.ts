/**
 * What `aggregations` sections mean for the tables of the configuration: which are shares, and which are their
 * sums. A table of sums that is not declared is made: the same keys and data, room for the entries of all nodes.
 */
import { type Diagnostics, didYouMean, type Place } from '../core/diagnostics.js';
import type { AggregationDraft } from './draft.js';
import type {
	AggregationModel,
	ConfigModel,
	PeersModel,
	ProxyModel,
	StickTableModel,
	StoredDataModel,
	SumModel,
} from './model.js';

/**
 * Through Redis the number of nodes is not known. The sums have room for four nodes full of different keys; a table that is
 * declared may have more. Memory is taken as entries come.
 */
const NODES_THROUGH_REDIS = 4;

const at = (place: Place): string => `${place.file}:${place.line}`;

/** The section alone; `finishSection` makes a peers section of an aggregator's own peers. */
export function finishAggregation(
	draft: AggregationDraft,
	finishSection: (localName: string) => PeersModel,
	diagnostics: Diagnostics,
): AggregationModel {
	const { place, name, sums, levels, peers, local, section, tableSize } = draft;
	const say = (text: string, where = place): void => diagnostics.alert(where, `aggregations section '${name}' ${text}`);
	if (sums.length === 0) say(`sums nothing, a 'from <suffix>|any to <suffix>' line is missing.`);
	const [first] = section.peers;
	if (peers !== undefined && first !== undefined) {
		say(`has both 'peers' and 'peer' lines: it either belongs to this load balancer or serves others.`, first.place);
	} else if (peers === undefined && first === undefined) {
		say(`has no nodes: 'peers <section>' in a load balancer, 'peer <name> <addr>' lines in an aggregator.`);
	} else if (peers === undefined && local === undefined) {
		say(`has no peer marked 'local', the address this aggregator listens on.`);
	}
	if (peers !== undefined && tableSize !== undefined) {
		say(
			`: 'table-size' is for tables that an aggregator learns of; those of this load balancer say their 'size'.`,
			tableSize.place,
		);
	}
	const isAggregator = peers === undefined && local !== undefined;
	return {
		place,
		name,
		sums,
		peers: peers?.name,
		section: isAggregator ? finishSection(local) : undefined,
		levels,
		tableSize: tableSize?.entries,
	};
}

/** The model with its tables of sums made, and marked. */
export function addSums(model: ConfigModel, tableRefused: boolean, diagnostics: Diagnostics): ConfigModel {
	let result = model;
	for (const aggregation of model.aggregations) {
		if (aggregation.peers === undefined) continue;
		const section = result.peers.find(({ name }) => name === aggregation.peers);
		if (section === undefined) {
			const names = result.peers.map(({ name }) => name);
			diagnostics.alert(
				aggregation.place,
				`aggregations section '${aggregation.name}' : no peers section '${aggregation.peers}'${didYouMean(aggregation.peers, names)}`,
			);
			continue;
		}
		for (const sum of aggregation.sums)
			result = addSum(result, section.name, aggregation, sum, tableRefused, diagnostics);
	}
	return result;
}

function addSum(
	model: ConfigModel,
	sectionName: string,
	{ name }: AggregationModel,
	sum: SumModel,
	tableRefused: boolean,
	diagnostics: Diagnostics,
): ConfigModel {
	const say = (text: string, place = sum.place): void =>
		diagnostics.alert(place, `aggregations section '${name}' : ${text}`);
	const tables = allTables(model);
	const sources = tables.filter((table) => isOfSection(table, sectionName) && isSource(table.name, sum));
	if (sources.length === 0 && !tableRefused) {
		const kind = sum.from === undefined ? '' : ` whose name ends in '${sum.from}'`;
		say(`peers section '${sectionName}' has no table${kind}.`);
	}
	let result = model;
	for (const source of sources) {
		if (source.sumOf !== undefined) {
			say(`table '${source.name}' is a sum itself; sums of sums are an aggregator's, which has its own 'peer' lines.`);
			continue;
		}
		if (source.recvOnly) {
			say(`table '${source.name}' is 'recv-only': this node counts nothing in it.`, source.place);
			continue;
		}
		const toName = sumName(source.name, sum);
		const declared = allTables(result).find((table) => table.name === toName);
		if (declared === undefined) {
			const owner = result.peers.find((section) => section.name === sectionName) as PeersModel;
			const peers = Math.max(1, owner.peers.filter(({ disabled }) => !disabled).length);
			const nodes = owner.redis === undefined ? peers : NODES_THROUGH_REDIS;
			const made: StickTableModel = {
				...source,
				place: sum.place,
				name: toName,
				size: Math.min(source.size * nodes, 2 ** 31 - 1),
				nopurge: false,
				writeTo: undefined,
				peers: sectionName,
				sumOf: source.name,
			};
			result = withPeers(result, { ...owner, tables: [...owner.tables, made] });
			continue;
		}
		const difference = differenceOf(declared, source);
		if (difference !== undefined) {
			say(
				`table '${toName}' cannot be the sum of '${source.name}' (${at(source.place)}): ${difference}.`,
				declared.place,
			);
		} else if (!isOfSection(declared, sectionName)) {
			say(`table '${toName}' does not belong to peers section '${sectionName}'.`, declared.place);
		} else if (declared.sumOf !== undefined) {
			say(`table '${toName}' is the sum of '${declared.sumOf}' already, it cannot be that of '${source.name}' too.`);
		} else result = withTable(result, { ...declared, sumOf: source.name });
	}
	return result;
}

/** Tables that a peers section replicates: its own, and those of proxies that name it. */
export function isOfSection(table: StickTableModel, section: string): boolean {
	return table.peers === section || table.name.startsWith(`${section}/`);
}

/** Whether a table of this name is one that is summed. */
export function isSource(tableName: string, { from, to }: SumModel): boolean {
	return from === undefined ? !tableName.endsWith(to) : tableName.endsWith(from);
}

/** The name of the sums of a table that is summed. */
export function sumName(tableName: string, { from, to }: SumModel): string {
	return `${from === undefined ? tableName : tableName.slice(0, -from.length)}${to}`;
}

function allTables(model: ConfigModel): StickTableModel[] {
	return [
		...model.proxies.flatMap(({ stickTable }) => stickTable ?? []),
		...model.peers.flatMap(({ tables }) => tables),
	];
}

/** Why entries of one cannot be added up in the other. */
function differenceOf(sum: StickTableModel, source: StickTableModel): string | undefined {
	if (sum.keyType !== source.keyType || sum.keyLengthBytes !== source.keyLengthBytes) return 'its keys are others';
	if (sum.recvOnly !== source.recvOnly || sum.writeTo !== undefined)
		return `'recv-only' and 'write-to' are not for sums`;
	if (sum.bratesFactor !== source.bratesFactor) return `its 'brates-factor' is another`;
	const [a, b] = [sum, source].map(({ store }) => store.map(storedText).sort());
	if (String(a) !== String(b)) return `it stores ${a?.join(',')} instead of ${b?.join(',')}`;
	return undefined;
}

function storedText({ type, periodMs, count }: StoredDataModel): string {
	const parts = [count, periodMs === undefined ? undefined : `${periodMs}ms`].filter((part) => part !== undefined);
	return parts.length === 0 ? type : `${type}(${parts.join(',')})`;
}

function withPeers(model: ConfigModel, section: PeersModel): ConfigModel {
	return { ...model, peers: model.peers.map((one) => (one.name === section.name ? section : one)) };
}

function withTable(model: ConfigModel, table: StickTableModel): ConfigModel {
	const replaced = (one: StickTableModel): StickTableModel => (one.name === table.name ? table : one);
	return {
		...model,
		proxies: model.proxies.map(
			(proxy): ProxyModel => (proxy.stickTable?.name === table.name ? { ...proxy, stickTable: table } : proxy),
		),
		peers: model.peers.map((section) => ({ ...section, tables: section.tables.map(replaced) })),
	};
}
