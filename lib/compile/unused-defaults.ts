/**
 * Named defaults sections that no proxy uses. Their rules and ACLs run nowhere, and a mistake in them would wait for the
 * first proxy that says `from`; HAProxy reads them all the same, and so does this.
 *
 * A stand-in takes the place of the proxy: both sides, and nothing else known of it. What a rule names outside of its
 * section (a table, another proxy, a user list, resolvers) is looked for only once a proxy uses the rules, as in the
 * reference, so here every name leads to something.
 */
import { compileAcl } from '../acl/acl.js';
import type { Line, ProxyModel, StickTableModel, UserlistModel } from '../config/model.js';
import type { Diagnostics, Place } from '../core/diagnostics.js';
import { compileRuleSets } from '../rules/ruleset.js';
import type { CompileContext, ProxyView, RuleSite } from '../sample/types.js';
import { StickTable } from '../stick-table/table.js';
import { type Names, ProxyContext, ProxyStandIn } from './context.js';

/** Reports what is wrong with the rules of defaults sections that nobody uses. */
export function checkUnusedDefaults(names: Names, diagnostics: Diagnostics): void {
	for (const section of names.model.unusedDefaults) {
		const context = new DanglingContext(names, section, diagnostics);
		for (const name of new Set(section.acls.map((line) => line.words[0] ?? ''))) compileAcl(name, context);
		compileRuleSets(section, context);
	}
}

class DanglingContext extends ProxyContext {
	readonly namesMayDangle = true;
	readonly #standIns: StandIns;

	constructor(
		names: Names,
		proxy: ProxyModel | undefined,
		diagnostics: Diagnostics,
		place?: Place,
		site?: RuleSite,
		acls?: ReadonlyMap<string, readonly Line[]>,
		standIns = new StandIns(proxy as ProxyModel),
	) {
		super(names, proxy, diagnostics, place, site, acls);
		this.#standIns = standIns;
	}

	override table(_name: string): StickTable {
		return this.#standIns.table;
	}

	override frontend(_name: string): ProxyView {
		return this.#standIns.frontend;
	}

	override backend(_name: string): ProxyView {
		return this.#standIns.backend;
	}

	override userlist(name: string): UserlistModel {
		return { place: this.place, name, groups: [], users: [] };
	}

	override at(place: Place, site: RuleSite = this.site): CompileContext {
		return new DanglingContext(this.names, this.proxy, this.diagnostics, place, site, this.aclsByName, this.#standIns);
	}
}

/** What every name leads to. */
class StandIns {
	readonly frontend: ProxyStandIn;
	readonly backend: ProxyStandIn;
	#table: StickTable | undefined;
	readonly #place: Place;

	constructor(proxy: ProxyModel) {
		this.#place = proxy.place;
		this.frontend = new ProxyStandIn(proxy, 'frontend');
		this.backend = new ProxyStandIn(proxy, 'backend');
	}

	/** Every type can be made a string, which a key of this one is. */
	get table(): StickTable {
		if (this.#table === undefined) {
			const model: StickTableModel = {
				place: this.#place,
				name: '',
				keyType: 'string',
				keyLengthBytes: 32,
				size: 1,
				expireMs: undefined,
				nopurge: false,
				recvOnly: false,
				writeTo: undefined,
				srvkey: 'name',
				store: [],
				bratesFactor: 1,
				peers: undefined,
			};
			this.#table = new StickTable(model, StickTable.allocate(model));
		}
		return this.#table;
	}
}
