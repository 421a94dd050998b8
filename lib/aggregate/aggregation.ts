/**
 * Sums over the nodes of one peers section (design.md, section 7): which of its tables are summed, what is
 * shared with which peer, and who has told what. The shares themselves are in shares.ts, their names on the
 * wire in replicated.ts; the order of the exchange is the session's (peers/session.ts).
 *
 * Two kinds of peers, told apart by the first message of a session:
 *
 *     shares   a Holdfast node that sums too. Both tell what they know of everyone's share, then their own, then
 *              only their own as it changes. Each sums for itself.
 *     plain    HAProxy, or an aggregator of another level. Its table is its share; it is given its own share back
 *              when it asks for a lesson, and the sums in the table of the other suffix. It is asked for a
 *              lesson in each session until one is complete, since only it knows what it counted while we were
 *              away, and since it may have started anew and have been taught by another aggregator meanwhile.
 *
 * What a plain node counts before it is up to date is HAProxy's to keep: a lesson replaces it, as any lesson does
 * there. From then on its share is exact.
 *
 * An aggregator for others is the same without tables of its own: it learns them from their definitions.
 */
import type { StickTableModel, SumModel } from '../config/model.js';
import type { Clock, Timer } from '../core/clock.js';
import { orComplain } from '../core/errors.js';
import type { PeersLog } from '../peers/connection.js';
import type { TableDefinition } from '../peers/decode.js';
import type { PushPauses } from '../peers/news.js';
import type { Peer } from '../peers/peer.js';
import { KEY_TYPE, type KeyTypeName } from '../peers/protocol.js';
import type { PeersSection } from '../peers/section.js';
import type { Session } from '../peers/session.js';
import type { Aggregator } from '../peers/session-host.js';
import type { SharedTable } from '../peers/shared-table.js';
import { wireNameOf } from '../peers/stick-table-adapter.js';
import { StickTable } from '../stick-table/table.js';
import { modelOfDefinition, sameData } from './definitions.js';
import {
	BaseCopy,
	baseName,
	OwnBase,
	OwnShare,
	parseShareName,
	RelayedSums,
	ShareCopy,
	type ShareName,
	SumsForPeers,
	shareName,
	type WaitForSignal,
} from './replicated.js';
import { type Base, EXPIRY_INTERVAL_MS, type Life, type Origin, SummedTable } from './shares.js';

export interface AggregationOptions {
	readonly name: string;
	readonly sums: readonly SumModel[];
	/** By peer name; such peers are plain whatever they are. */
	readonly levels: ReadonlyMap<string, 'up' | 'down'>;
	/** This node's tables that are summed, each with where the sum of the others' shares goes. */
	readonly tables: readonly { readonly own: StickTable; readonly target: StickTable }[];
	readonly localName: string;
	/** Entries of one node in a table that is learned of. */
	readonly tableSize?: number | undefined;
	/** What this node has counted so far stems from an earlier process: a snapshot was loaded. */
	readonly ownIsOfEarlierLife?: boolean;
	/** The same aggregation before a reload within this process. */
	readonly predecessor?: Aggregation | undefined;
	readonly clock: Clock;
	readonly defer: (callback: () => void) => void;
	readonly log: PeersLog;
	readonly waitForSignal?: WaitForSignal | undefined;
}

/** Tables that an aggregator takes from definitions of its peers. */
const MAX_TABLES = 1000;
/** Sums for plain peers wait this long for peers that do not come: half a sum would undo what they have. */
const COMPLETION_MS = 5000;
/** Only so soon after its start may a process find that its clock was set back, and by no more than this. */
const CLOCK_CHECK_MS = 30_000;
const MAX_CLOCK_ERROR_MS = 10 * 365 * 86_400_000;
/**
 * Between two pushes of what is counted. The first after a quiet moment leaves at once; then what comes together is
 * worth its way to every other node and back. Lag over a mesh is about half of this, and the work of many small
 * pushes is most of what sums cost.
 */
const SHARE_PAUSES: PushPauses = { quietMs: 20, busyMs: 50, busyFrom: 50 };
/** A peer that has just come may first want a lesson itself; then it is asked for one, and again after a partial one. */
const LESSON_PAUSE_MS = 1000;

export class Aggregation implements Aggregator {
	readonly name: string;
	readonly #options: AggregationOptions;
	/** By name on the wire. */
	readonly summed = new Map<string, SummedTable>();
	readonly #ownShares = new Map<SummedTable, OwnShare>();
	readonly #copies = new Map<Life, ShareCopy[]>();
	/** By what they are bases of; of this node's own share by the earlier life. */
	readonly #bases = new Map<Base, BaseCopy>();
	readonly #ownBases = new Map<Life, { readonly summed: SummedTable; readonly table: OwnBase }>();
	readonly #sumsForPeers = new Map<SummedTable, SumsForPeers>();
	readonly #relayed = new Map<
		string,
		{ readonly table: StickTable; readonly from: string; readonly down: RelayedSums }
	>();
	readonly #lessonTimers = new Map<Session, Timer>();
	readonly #toldPlainly = new WeakSet<Session>();
	readonly #complaints = new Set<string>();
	readonly #clock: Clock;
	/** When this process started, by the wall clock: which of a node's shares is the later one. */
	#life: number;
	#hasBecomeLater = false;
	readonly #startedMs: number;
	/** Every peer has told what it knows, or was waited for long enough: sums are worth pushing. */
	#isComplete = false;
	readonly #told = new Set<Peer>();
	#completionTimer: Timer | undefined;
	#section: PeersSection | undefined;
	#expiryTimer: Timer | undefined;

	constructor(options: AggregationOptions) {
		this.name = options.name;
		this.#options = options;
		this.#clock = options.clock;
		this.#startedMs = options.predecessor?.startedMs ?? options.clock.monotonicMs();
		this.#life = options.predecessor?.life ?? Math.floor(options.clock.wallMs());
		for (const { own, target } of options.tables) this.#addOwn(own, target);
	}

	get isComplete(): boolean {
		return this.#isComplete;
	}

	/** When the process began to count, monotonic. */
	get startedMs(): number {
		return this.#startedMs;
	}

	get localName(): string {
		return this.#options.localName;
	}

	get life(): number {
		return this.#life;
	}

	#addOwn(own: StickTable, target: StickTable): void {
		const wireName = wireNameOf(own.name);
		const before = this.#options.predecessor?.summed.get(wireName);
		if (before?.own?.buffer === own.buffer && before.target?.buffer === target.buffer) {
			this.summed.set(wireName, before);
			return;
		}
		const summed = this.#newSummed(wireName, own.model, own, target);
		if (this.#options.ownIsOfEarlierLife === true) summed.ownIsOfEarlierLife(this.#clock.monotonicMs());
		// The table was declared anew by a reload: what is known of the others' shares moves with it.
		for (const origin of before?.origins.values() ?? []) {
			for (const life of origin.lives) summed.adopt(origin.name, life);
		}
	}

	#newSummed(wireName: string, model: StickTableModel, own?: StickTable, target?: StickTable): SummedTable {
		const summed = new SummedTable({
			model,
			wireName,
			sumWireName: target === undefined ? (this.#sumNameOf(wireName) ?? wireName) : wireNameOf(target.name),
			own,
			localName: this.#options.localName,
			target,
			clock: this.#clock,
			defer: this.#options.defer,
		});
		this.summed.set(wireName, summed);
		return summed;
	}

	/** Where the sums of a table go; undefined: it is not summed. */
	#sumNameOf(wireName: string): string | undefined {
		for (const { from, to } of this.#options.sums) {
			if (from === undefined ? wireName.endsWith(to) : !wireName.endsWith(from)) continue;
			return `${from === undefined ? wireName : wireName.slice(0, -from.length)}${to}`;
		}
		return undefined;
	}

	/** Called by the section that this aggregation belongs to, before anything else. */
	attach(section: PeersSection): this {
		this.#section = section;
		for (const summed of this.summed.values()) {
			this.#shareOwn(section, summed);
			for (const origin of summed.origins.values()) {
				origin.isDirect = false;
				for (const life of origin.lives) this.#shareLife(section, summed, life);
			}
		}
		return this;
	}

	#shareOwn(section: PeersSection, summed: SummedTable): void {
		if (summed.own === undefined) return;
		const wireName = shareName(summed.wireName, this.#options.localName, this.#life);
		const changed = (): void => this.#ownChanged(summed);
		const share = new OwnShare(summed.own, wireName, changed, this.#options.waitForSignal);
		this.#ownShares.set(summed, share);
		for (const peer of section.peers) section.addTable(peer, share, 'own share');
	}

	/** Everybody may tell of it, and is told. */
	#shareLife(section: PeersSection, summed: SummedTable, life: Life): void {
		const wireName = shareName(summed.wireName, life.origin.name, life.number);
		const copies = section.peers.map((peer) => {
			const copy = new ShareCopy(summed, life, wireName, peer.name === life.origin.name && !peer.isLocal);
			// What is heard of our own earlier lives is part of what we count, and told as that.
			section.addTable(peer, copy, this.#isOurs(life.origin.name) ? 'heard' : 'share');
			return copy;
		});
		this.#copies.set(life, copies);
		if (this.#isOurs(life.origin.name)) this.#shareOwnBase(section, summed, life);
		for (const base of life.bases) this.#shareBase(section, summed, base);
	}

	/** What is known of an earlier life of ours is part of our share: a base of it. */
	#shareOwnBase(section: PeersSection, summed: SummedTable, life: Life): void {
		const wireName = baseName(summed.wireName, this.#options.localName, this.#life, life.number);
		const table = new OwnBase(life.table, wireName);
		this.#ownBases.set(life, { summed, table });
		summed.onAbsorbed = (absorbed) => {
			const base = this.#ownBases.get(absorbed);
			if (base !== undefined) this.#section?.tellNews(base.table);
		};
		for (const peer of section.peers) section.addTable(peer, table, 'base');
	}

	#shareBase(section: PeersSection, summed: SummedTable, base: Base): void {
		const { origin, number } = base.life;
		const wireName = baseName(summed.wireName, origin.name, number, base.number);
		const copy = new BaseCopy(summed, base, wireName, (table) => this.#section?.tellNews(table));
		this.#bases.set(base, copy);
		// What our earlier lives contained is told as what our present one contains.
		for (const peer of section.peers) section.addTable(peer, copy, this.#isOurs(origin.name) ? 'heard' : 'base');
	}

	started(): void {
		if (this.#options.ownIsOfEarlierLife === true) {
			for (const summed of this.summed.values()) summed.ownIsOfEarlierLife(this.#clock.monotonicMs());
		}
		// Through Redis nobody needs to be told at once.
		if (this.#section?.peers.some(({ isLocal }) => !isLocal) === true) {
			for (const share of this.#ownShares.values()) this.#section.watch(share, SHARE_PAUSES);
		}
		if (this.#options.predecessor?.isComplete === true) this.#complete();
		else this.#completionTimer = this.#clock.setTimer(() => this.#complete(), COMPLETION_MS);
		this.#expiryTimer = this.#clock.setTimer(() => this.#expire(), EXPIRY_INTERVAL_MS);
	}

	closed(): void {
		this.#expiryTimer?.cancel();
		this.#completionTimer?.cancel();
		for (const timer of this.#lessonTimers.values()) timer.cancel();
		this.#lessonTimers.clear();
	}

	#expire(): void {
		const nowMs = this.#clock.monotonicMs();
		for (const summed of this.summed.values()) summed.expire(nowMs);
		for (const { table } of this.#relayed.values()) table.expire(nowMs);
		this.#expiryTimer = this.#clock.setTimer(() => this.#expire(), EXPIRY_INTERVAL_MS);
	}

	// ---- what peers define

	exchangesWith(peer: Peer): boolean {
		return !this.#options.levels.has(peer.name);
	}

	tableDefined(peer: Peer, definition: TableDefinition): SharedTable | undefined {
		const share = parseShareName(definition.name);
		if (share === undefined) return peer.isLocal ? undefined : this.#plainTableDefined(peer, definition);
		if (!peer.isLocal && peer.session?.kind !== 'shares') return undefined;
		const isOurs = this.#isOurs(share.origin);
		if (!isOurs && this.#section?.peers.some(({ name }) => name === share.origin) !== true) {
			this.#complain(`peer '${peer.name}' tells of a node '${share.origin}' that this section does not have`);
			return undefined;
		}
		const summed = this.#summedOf(peer, share.wireName, definition);
		if (summed === undefined) return undefined;
		if (isOurs) {
			if (share.life === this.#life) return undefined;
			if (share.life > this.#life && !this.#becomeLaterThan(share.life)) return undefined;
		}
		if (share.base !== undefined) return this.#baseDefined(peer, summed, share, share.base, definition.name);
		return this.#lifeDefined(peer, summed, share.origin, share.life, definition.name);
	}

	/**
	 * A table that a peer has under the name of a summed one is a share only with the same data: else its rates, say, would
	 * be added as if they were of our period.
	 */
	mayBind(peer: Peer, { table, role }: SharedTable, definition: TableDefinition): boolean {
		const wireName = parseShareName(table.wireName)?.wireName ?? table.wireName;
		const isSum = (summed: SummedTable): boolean => role === 'plain' && summed.sumWireName === wireName;
		const summed = this.summed.get(wireName) ?? [...this.summed.values()].find(isSum);
		if (summed === undefined || sameData(summed.model, definition)) return true;
		this.#complain(
			summed.wireName === wireName
				? otherData(wireName, peer)
				: `table '${wireName}' of peer '${peer.name}' stores other data, or for other periods, than the sums it is given`,
		);
		return false;
	}

	#isOurs(origin: string): boolean {
		return origin === this.#options.localName && this.#options.tables.length > 0;
	}

	#lifeDefined(
		peer: Peer,
		summed: SummedTable,
		origin: string,
		number: number,
		wireName: string,
	): SharedTable | undefined {
		return this.#lifeOf(summed, origin, number) === undefined ? undefined : peer.tableByWireName(wireName);
	}

	#baseDefined(
		peer: Peer,
		summed: SummedTable,
		{ origin: originName, life: number }: ShareName,
		baseNumber: number,
		wireName: string,
	): SharedTable | undefined {
		const origin = summed.origins.get(originName);
		// What was contained in a share that is of no use any more.
		if (origin?.isDirect === true && !origin.lives.some((life) => life.number === number)) return undefined;
		const section = this.#section;
		const found = this.#lifeOf(summed, originName, number);
		if (section === undefined || found === undefined) return undefined;
		if (this.#isOurs(originName)) this.#lifeOf(summed, originName, baseNumber);
		const based = this.#guard(() => summed.base(found, baseNumber));
		if (based === undefined) return undefined;
		if (based.dropped !== undefined) this.#forgetBase(based.dropped);
		if (based.isNew) this.#shareBase(section, summed, based.base);
		return peer.tableByWireName(wireName);
	}

	/** The life of that number, shared; undefined when there are too many. */
	#lifeOf(summed: SummedTable, origin: string, number: number): Life | undefined {
		const found = this.#guard(() => summed.life(origin, number));
		if (this.#section === undefined || found === undefined) return undefined;
		this.#forget(found.dropped);
		if (found.isNew) this.#shareLife(this.#section, summed, found.life);
		return found.life;
	}

	/** The summed table of that name with the data that the definition says; undefined after a line in the log. */
	#summedOf(peer: Peer, wireName: string, definition: TableDefinition): SummedTable | undefined {
		const known = this.summed.get(wireName);
		if (known !== undefined) {
			if (sameData(known.model, definition)) return known;
			this.#complain(otherData(wireName, peer));
			return undefined;
		}
		const isOfAggregator = this.#options.tables.length === 0 && this.#sumNameOf(wireName) !== undefined;
		if (!isOfAggregator || this.summed.size >= MAX_TABLES) return undefined;
		const keyType = (Object.keys(KEY_TYPE) as KeyTypeName[]).find((name) => KEY_TYPE[name] === definition.keyType);
		const model =
			keyType === undefined ? undefined : modelOfDefinition(wireName, keyType, definition, this.#options.tableSize);
		if (model === undefined) return undefined;
		return this.#guard(() => {
			const summed = this.#newSummed(wireName, model);
			// Plain peers that are here already get their share and the sums of this table too.
			for (const other of this.#section?.peers ?? []) {
				if (other.session?.kind === 'plain' && !other.isLocal) this.#sharePlainly(other, summed);
			}
			return summed;
		});
	}

	/** A table of a plain peer: its share, or sums of a level above to be handed on. */
	#plainTableDefined(peer: Peer, definition: TableDefinition): SharedTable | undefined {
		// A node that exchanges shares has told this one under its own name.
		if (peer.session?.kind !== 'plain') return undefined;
		if (this.#options.levels.get(peer.name) === 'up') return this.#sumsFromAbove(peer, definition);
		if (this.#sumNameOf(definition.name) === undefined) return undefined;
		const summed = this.#summedOf(peer, definition.name, definition);
		if (summed === undefined || this.#section === undefined) return undefined;
		this.#sharePlainly(peer, summed);
		return peer.tableByWireName(definition.name);
	}

	/** Its share under its own name, and the sums. */
	#sharePlainly(peer: Peer, summed: SummedTable): void {
		const section = this.#section;
		if (section === undefined) return;
		if (this.#options.levels.get(peer.name) !== 'up' && peer.tableByWireName(summed.wireName) === undefined) {
			const found = this.#guard(() => summed.life(peer.name, 0));
			if (found === undefined) return;
			if (found.isNew) this.#shareLife(section, summed, found.life);
			section.addTable(peer, new ShareCopy(summed, found.life, summed.wireName, true), 'plain');
		}
		if (!this.#isComplete || peer.tableByWireName(summed.sumWireName) !== undefined) return;
		let sums = this.#sumsForPeers.get(summed);
		if (sums === undefined) {
			const total = this.#guard(() => summed.startTotal());
			if (total === undefined) return;
			sums = new SumsForPeers(total, summed.sumWireName, this.#options.waitForSignal);
			this.#sumsForPeers.set(summed, sums);
			section.watch(sums, SHARE_PAUSES);
		}
		section.addTable(peer, sums, 'plain');
	}

	/** The peer has told what it knows. With the last one sums are complete. */
	#hasTold(peer: Peer): void {
		this.#told.add(peer);
		const section = this.#section;
		if (section?.peers.every((one) => one.isLocal || this.#told.has(one)) === true) this.#complete();
	}

	#complete(): void {
		this.#completionTimer?.cancel();
		if (this.#isComplete) return;
		this.#isComplete = true;
		for (const peer of this.#section?.peers ?? []) {
			if (peer.isLocal || peer.session?.kind !== 'plain') continue;
			for (const summed of this.summed.values()) this.#sharePlainly(peer, summed);
		}
	}

	#sumsFromAbove(peer: Peer, definition: TableDefinition): SharedTable | undefined {
		const section = this.#section;
		const isOurs = [...this.summed.values()].some(
			({ wireName, sumWireName }) => definition.name === wireName || definition.name === sumWireName,
		);
		if (section === undefined || isOurs || this.#relayed.has(definition.name) || this.#relayed.size >= MAX_TABLES) {
			return undefined;
		}
		const keyType = (Object.keys(KEY_TYPE) as KeyTypeName[]).find((name) => KEY_TYPE[name] === definition.keyType);
		const model =
			keyType === undefined
				? undefined
				: modelOfDefinition(definition.name, keyType, definition, this.#options.tableSize);
		const table =
			model === undefined ? undefined : this.#guard(() => new StickTable(model, StickTable.allocate(model)));
		if (table === undefined) return undefined;
		const wait = this.#options.waitForSignal;
		const down = new RelayedSums(table, definition.name, false, wait);
		this.#relayed.set(definition.name, { table, from: peer.name, down });
		section.watch(down);
		for (const other of section.peers) if (other.session?.kind === 'plain') this.#relayTo(other, down);
		return section.addTable(peer, new RelayedSums(table, definition.name, true, wait), 'heard');
	}

	#relayTo(peer: Peer, sums: RelayedSums): void {
		if (peer.isLocal || this.#options.levels.get(peer.name) === 'up') return;
		if (peer.tableByWireName(sums.wireName) === undefined) this.#section?.addTable(peer, sums, 'plain');
	}

	// ---- what peers have told

	peerKnown(session: Session): void {
		const { peer, kind } = session;
		if (peer.isLocal || kind !== 'plain') return;
		for (const summed of this.summed.values()) this.#sharePlainly(peer, summed);
		for (const { down } of this.#relayed.values()) this.#relayTo(peer, down);
		this.#askLater(session);
	}

	#askLater(session: Session): void {
		this.#lessonTimers.get(session)?.cancel();
		const timer = this.#clock.setTimer(() => {
			this.#lessonTimers.delete(session);
			if (session.isClosed || this.#toldPlainly.has(session)) return;
			// First what it wants to know itself: until then its values are not yet what they will be.
			if (session.isTeaching || session.learning !== 'none') this.#askLater(session);
			else session.requestLesson();
		}, LESSON_PAUSE_MS);
		this.#lessonTimers.set(session, timer);
	}

	lessonEnded(session: Session, end: 'finished' | 'partial'): void {
		if (session.kind !== 'plain' || session.peer.isLocal) return;
		if (end === 'partial') this.#askLater(session);
		else {
			this.#toldPlainly.add(session);
			this.#hasTold(session.peer);
			for (const summed of this.summed.values()) {
				const origin = summed.origins.get(session.peer.name);
				if (origin !== undefined) origin.isDirect = true;
			}
		}
	}

	sharesTold({ peer }: Session): void {
		if (this.#options.tables.length === 0) this.#hasTold(peer);
	}

	/** The peer had heard what we know of its earlier lives before it told its share. */
	ownShareTold({ peer }: Session): void {
		this.#hasTold(peer);
		for (const summed of this.summed.values()) {
			const origin = summed.origins.get(peer.name);
			// It defines no other of its lives than the present one.
			const current = origin?.lives.find(({ number }) => {
				const shared = peer.tableByWireName(shareName(summed.wireName, peer.name, number));
				return shared !== undefined && shared.remoteId !== 0;
			});
			if (origin === undefined || current === undefined) continue;
			origin.isDirect = true;
			this.#forget(summed.dropLivesBefore(origin, current.number));
		}
	}

	#forget(lives: readonly Life[]): void {
		for (const life of lives) {
			for (const copy of this.#copies.get(life) ?? []) this.#section?.removeTable(copy);
			this.#copies.delete(life);
			const ownBase = this.#ownBases.get(life)?.table;
			if (ownBase !== undefined) this.#section?.removeTable(ownBase);
			this.#ownBases.delete(life);
			for (const base of life.bases) this.#forgetBase(base);
		}
	}

	#forgetBase(base: Base): void {
		const copy = this.#bases.get(base);
		if (copy !== undefined) this.#section?.removeTable(copy);
		this.#bases.delete(base);
	}

	sessionEnded(session: Session): void {
		this.#lessonTimers.get(session)?.cancel();
		this.#lessonTimers.delete(session);
		for (const summed of this.summed.values()) {
			const origin: Origin | undefined = summed.origins.get(session.peer.name);
			if (origin !== undefined) summed.disconnected(origin);
		}
	}

	/**
	 * Somebody has heard of a later start of this node. Soon after the start that means that the clock was set back
	 * since: this process becomes the later one, once. Later it means that another process has our name now: what that
	 * one counts is not ours, and it is the one that is believed.
	 */
	#becomeLaterThan(life: number): boolean {
		const nowMs = this.#clock.monotonicMs();
		const isPlausible = life < this.#clock.wallMs() + MAX_CLOCK_ERROR_MS;
		const { localName } = this.#options;
		if (!isPlausible || this.#hasBecomeLater || nowMs - this.#startedMs > CLOCK_CHECK_MS) {
			this.#complain(
				`another process that started later than this one is called '${localName}' too: its share is believed, what is counted here is missing in the sums of other nodes`,
			);
			return false;
		}
		this.#complain(
			`a process called '${localName}' has started later than this one: either the clock was set back since, or two nodes have the same name, which makes their sums wrong`,
		);
		this.#hasBecomeLater = true;
		this.becomeLife(life + 1);
		return true;
	}

	/** This process is a later one of its node than its clock says. */
	becomeLife(life: number): void {
		this.#life = life;
		for (const [summed, share] of this.#ownShares) {
			share.wireName = shareName(summed.wireName, this.#options.localName, this.#life);
		}
		const section = this.#section;
		for (const [earlier, { summed, table }] of [...this.#ownBases]) {
			section?.removeTable(table);
			if (section !== undefined) this.#shareOwnBase(section, summed, earlier);
		}
		for (const { session } of section?.peers ?? []) session?.retellOwnShare();
	}

	/** Sums for plain peers contain what is counted here. */
	#ownChanged(summed: SummedTable): void {
		if (summed.total !== undefined) summed.followOwn(this.#clock.monotonicMs());
	}

	// ---- log

	#guard<T>(make: () => T): T | undefined {
		return orComplain(make, (message) => this.#complain(message));
	}

	/** Each sentence once. */
	#complain(text: string): void {
		if (this.#complaints.has(text) || this.#complaints.size > MAX_TABLES) return;
		this.#complaints.add(text);
		this.#options.log.warn(`aggregation '${this.name}': ${text}`);
	}
}

const otherData = (wireName: string, peer: Peer): string =>
	`table '${wireName}' of peer '${peer.name}' stores other data, or for other periods, than here: not summed`;
