/**
 * The peers sections of the serving configuration, in the control thread, with the sums that are made over
 * them, and the aggregators for other nodes. At a reload each section is made anew from the new lines, on the
 * tables of the new generation, and takes over from its predecessor what its peers have already, and what is
 * known of their shares; a section that is gone is closed.
 */
import { Aggregation } from '../aggregate/aggregation.js';
import type { CompiledConfiguration } from '../compile/index.js';
import { isOfSection } from '../config/check-aggregations.js';
import type { AggregationModel, PeersModel } from '../config/model.js';
import { socketKey } from '../core/address.js';
import { systemClock } from '../core/clock.js';
import type { Logger } from '../core/logger.js';
import { RunningPeers } from '../peers/running-peers.js';
import { SumTable } from '../stick-table/sum-table.js';
import type { StickTable } from '../stick-table/table.js';
import { PeersLogs } from './peers-log.js';
import { RedisKeeper, type RedisSection } from './redis-keeper.js';

/** What a section is made of, apart from its lines. */
interface Surroundings {
	readonly compiled: CompiledConfiguration;
	readonly fdOf: (key: string) => number | undefined;
	readonly hasOldProcess: boolean;
	readonly logs: PeersLogs;
}

export class PeersKeeper {
	readonly #logger: Logger;
	/** By name; aggregators for others are called `aggregations NAME`, which no peers section can be. */
	#sections = new Map<string, RunningPeers>();
	#aggregations = new Map<string, Aggregation>();
	#logs: PeersLogs | undefined;
	/** Those of them that go through Redis. */
	readonly redis: RedisKeeper;

	constructor(logger: Logger) {
		this.#logger = logger;
		this.redis = new RedisKeeper(logger);
	}

	get sections(): ReadonlyMap<string, RunningPeers> {
		return this.#sections;
	}

	/** By the name of the section whose tables they sum. */
	get aggregations(): ReadonlyMap<string, Aggregation> {
		return this.#aggregations;
	}

	/**
	 * Runs the sections of a configuration in place of those before. `fdOf` gives the descriptor of a socket key;
	 * `hasOldProcess`: another process of this node is leaving and may teach this one. The peers are called when `ready`
	 * is settled.
	 * @throws HoldfastError FILE_UNREADABLE for a certificate, TABLE_TOO_LARGE; the former sections then go on
	 */
	serve(
		compiled: CompiledConfiguration,
		fdOf: (key: string) => number | undefined,
		hasOldProcess: boolean,
		ready: Promise<void>,
	): void {
		const former = this.#sections;
		const formerLogs = this.#logs;
		const logs = new PeersLogs(compiled.model.global, compiled.rings, systemClock, this.#logger);
		this.#logs = logs;
		const surroundings: Surroundings = { compiled, fdOf, hasOldProcess, logs };
		const sections = new Map<string, RunningPeers>();
		const aggregations = new Map<string, Aggregation>();
		const redisSections: RedisSection[] = [];
		const { model } = compiled;
		const { localpeer } = model.global;
		for (const peers of model.peers) {
			const sums = model.aggregations.filter((aggregation) => aggregation.peers === peers.name);
			const tables = tablesOf(peers.name, compiled);
			const summed = new Set(
				tables.flatMap(({ model: { sumOf, name } }) => (sumOf === undefined ? [] : [sumOf, name])),
			);
			const aggregation =
				summed.size === 0 ? undefined : this.#aggregation(peers.name, sums, localpeer, tables, compiled);
			if (aggregation !== undefined) aggregations.set(peers.name, aggregation);
			const common = tables.filter(({ name }) => !summed.has(name));
			sections.set(peers.name, this.#section(peers, peers.name, localpeer, common, aggregation, surroundings));
			const { name, redis, disabled } = peers;
			if (redis === undefined || disabled) continue;
			redisSections.push({ name, model: redis, localName: localpeer, tables: common, aggregation });
		}
		for (const aggregator of model.aggregations) {
			const { section } = aggregator;
			const local = section?.peers.find(({ local }) => local)?.name;
			if (section === undefined || local === undefined) continue;
			const name = `aggregations ${aggregator.name}`;
			const aggregation = this.#aggregation(name, [aggregator], local, [], compiled);
			aggregations.set(name, aggregation);
			sections.set(name, this.#section(section, name, local, [], aggregation, surroundings));
		}
		for (const section of former.values()) section.close();
		formerLogs?.close();
		this.redis.serve(redisSections, hasOldProcess, ready);
		this.#sections = sections;
		this.#aggregations = aggregations;
		for (const [name, section] of sections) {
			const start = (): Promise<void> => (this.#sections === sections ? section.start() : Promise.resolve());
			ready.then(start).catch((error: unknown) => {
				this.#logger.error({ err: error, section: name }, 'a peers section could not be started');
			});
		}
	}

	#section(
		model: PeersModel,
		name: string,
		localName: string,
		tables: readonly StickTable[],
		aggregation: Aggregation | undefined,
		{ compiled, fdOf, hasOldProcess, logs }: Surroundings,
	): RunningPeers {
		const address = model.bind?.address ?? model.peers.find(({ local }) => local)?.address;
		return new RunningPeers({
			model,
			localName,
			tables,
			fd: address === undefined ? undefined : fdOf(socketKey(address, model.bind?.v6only)),
			hasOldProcess,
			predecessor: this.#sections.get(name),
			maxUpdatesAtOnce: compiled.model.global.tune.peersMaxUpdatesAtOnce,
			log: logs.of(model),
			...(aggregation === undefined ? {} : { aggregator: (section) => aggregation.attach(section) }),
		});
	}

	/** All sums over one section: several `aggregations` sections may name it. */
	#aggregation(
		sectionName: string,
		models: readonly AggregationModel[],
		localName: string,
		tables: readonly StickTable[],
		compiled: CompiledConfiguration,
	): Aggregation {
		const predecessor = this.#aggregations.get(sectionName);
		return new Aggregation({
			name: models.map(({ name }) => name).join(','),
			sums: models.flatMap(({ sums }) => sums),
			levels: models[0]?.levels ?? new Map(),
			tableSize: models[0]?.tableSize,
			tables: tables.flatMap((sum) => {
				const own = sum.model.sumOf === undefined ? undefined : compiled.tables.get(sum.model.sumOf);
				return own !== undefined && sum instanceof SumTable ? [{ own, target: sum.remote() }] : [];
			}),
			localName,
			ownIsOfEarlierLife: predecessor === undefined && compiled.model.global.stickTableFile !== undefined,
			predecessor,
			clock: systemClock,
			defer: (callback) => setImmediate(callback),
			log: this.#logger,
		});
	}

	/** Gives the addresses up to whoever takes over; conversations go on. */
	stopListening(): void {
		for (const section of this.#sections.values()) section.stopListening();
	}

	/** Teaches another process of this node, if one has taken the address; resolves when all is said. */
	async softStop(): Promise<void> {
		await Promise.all([...this.#sections.values()].map((section) => section.softStop()));
		// Now, for another process of this node that waits for its name.
		await this.redis.leave();
	}

	/** The last words at the end of the process. */
	async end(): Promise<void> {
		await this.redis.leave();
	}
}

/** Tables that a section replicates: its own, and those of proxies that name it. */
function tablesOf(section: string, { tables }: CompiledConfiguration): StickTable[] {
	return [...tables.values()].filter(({ model }) => isOfSection(model, section));
}
