/**
 * The peers sections of the serving configuration, in the control thread. At a reload each section is made
 * anew from the new lines, on the tables of the new generation, and takes over from its predecessor what its
 * peers have already; a section that is gone is closed.
 */
import type { CompiledConfiguration } from '../compile/index.js';
import { socketKey } from '../core/address.js';
import type { Logger } from '../core/logger.js';
import { RunningPeers } from '../peers/running-peers.js';
import type { StickTable } from '../stick-table/table.js';

export class PeersKeeper {
	readonly #logger: Logger;
	#sections = new Map<string, RunningPeers>();

	constructor(logger: Logger) {
		this.#logger = logger;
	}

	get sections(): ReadonlyMap<string, RunningPeers> {
		return this.#sections;
	}

	/**
	 * Runs the sections of a configuration in place of those before. `fdOf` gives the descriptor of a socket key;
	 * `hasOldProcess`: another process of this node is leaving and may teach this one.
	 * @throws HoldfastError FILE_UNREADABLE for a certificate; the former sections then go on
	 */
	serve(compiled: CompiledConfiguration, fdOf: (key: string) => number | undefined, hasOldProcess: boolean): void {
		const former = this.#sections;
		const sections = new Map<string, RunningPeers>();
		for (const model of compiled.model.peers) {
			const address = model.bind?.address ?? model.peers.find(({ local }) => local)?.address;
			sections.set(
				model.name,
				new RunningPeers({
					model,
					localName: compiled.model.global.localpeer,
					tables: tablesOf(model.name, compiled),
					fd: address === undefined ? undefined : fdOf(socketKey(address, model.bind?.v6only)),
					hasOldProcess,
					predecessor: former.get(model.name),
					maxUpdatesAtOnce: compiled.model.global.tune.peersMaxUpdatesAtOnce,
					log: this.#logger,
				}),
			);
		}
		for (const section of former.values()) section.close();
		this.#sections = sections;
		for (const [name, section] of sections) {
			section.start().catch((error: unknown) => {
				this.#logger.error({ err: error, section: name }, 'a peers section could not be started');
			});
		}
	}

	/** Gives the addresses up; sessions go on. */
	stopListening(): void {
		for (const section of this.#sections.values()) section.stopListening();
	}

	/** Teaches another process of this node, if one has taken the address; resolves when all is said. */
	async softStop(): Promise<void> {
		await Promise.all([...this.#sections.values()].map((section) => section.softStop()));
	}
}

/** Tables that a section replicates: its own, and those of proxies that name it. */
function tablesOf(section: string, { tables }: CompiledConfiguration): StickTable[] {
	return [...tables.values()].filter((table) => table.model.peers === section || table.name.startsWith(`${section}/`));
}
