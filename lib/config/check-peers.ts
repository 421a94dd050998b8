/**
 * `peers` sections from drafts to the model: who is local, where it listens, and whether what stands beside Redis fits it.
 */
import type { SocketAddress } from '../core/address.js';
import type { Place } from '../core/diagnostics.js';
import type { RingNames } from './check-rings.js';
import type { PeersDraft } from './draft.js';
import { finishBinds } from './ids.js';
import type { BindOptions } from './keywords/bind.js';
import { bindDefaultsOf } from './keywords/peers.js';
import type { BindModel, GlobalModel, PeersModel } from './model.js';
import type { ParserState } from './state.js';

const at = (place: Place): string => `${place.file}:${place.line}`;

/** The local peer is found by its name; without it a section could neither listen nor be taught. */
export function finishPeers(
	draft: PeersDraft,
	global: GlobalModel,
	state: ParserState,
	rings: RingNames,
	localName = global.localpeer,
): PeersModel {
	const { diagnostics } = state;
	const { binds, peers, logs, serverDefaults: _server, bindDefaults: _bind, hasRedis, ...kept } = draft;
	const local = peers.find((peer) => peer.name === localName);
	let bind: BindModel | undefined = finishBinds(binds, diagnostics)[0];
	if (draft.redis !== undefined) checkRedis(draft, local?.name, state);
	// Through Redis nobody calls this node, its name is enough.
	const isRemoved = local === undefined && !draft.disabled && !hasRedis;
	if (isRemoved) {
		const names = peers.map((peer) => `'${peer.name}'`).join(', ');
		const text = `(no peer named '${global.localpeer}'): the name is ${
			global.localpeerOrigin === 'host name' ? 'the host name' : `from '${global.localpeerOrigin}'`
		}, the section has ${names === '' ? 'no peer at all' : names}. Name one of them with '-L' or with 'localpeer' in the global section.`;
		// As HAProxy does: the tables stay, and stay this process's own. A section with nothing in it has a name only,
		// and sums of what nobody shares would be wrong without a word.
		const isEmpty = peers.length === 0 && draft.tables.length === 0 && bind === undefined;
		if (isEmpty || state.aggregations.some((aggregation) => aggregation.peers?.name === draft.name))
			diagnostics.alert(draft.place, `incomplete section 'peers ${draft.name}' ${text}`);
		else
			diagnostics.warning(
				draft.place,
				`Removing incomplete section 'peers ${draft.name}' ${text} Its tables are not shared.`,
			);
		bind = undefined;
	}
	for (const peer of peers) {
		if (peer === local || peer.address !== undefined || isRemoved) continue;
		diagnostics.alert(
			peer.place,
			`'${peer.keyword} ${peer.name}' : missing address; only the local peer, '${global.localpeer}', is given by 'bind'.`,
		);
	}
	if (local !== undefined) {
		if (local.address !== undefined && bind !== undefined) {
			diagnostics.alert(
				local.place,
				`'${local.keyword} ${local.name}' : the local peer has its address on the 'bind' line ${at(bind.place)}, it cannot have another here.`,
			);
		} else if (local.address === undefined && bind === undefined && !draft.disabled) {
			diagnostics.alert(
				local.place,
				`'${local.keyword} ${local.name}' : the local peer needs an address, here or on a 'bind' line.`,
			);
		}
		if (bind === undefined && local.address !== undefined) {
			bind = listenerOf(local.place, local.address, bindDefaultsOf(draft, state));
		}
	}
	return {
		...kept,
		disabled: kept.disabled || isRemoved,
		bind,
		logTargets: rings.resolveAll(logs, global.logTargets),
		peers: peers.map(({ keyword: _keyword, ...peer }) => ({
			...peer,
			local: peer === local || peer.name === local?.name,
		})),
	};
}

/** What is shared through Redis and with peers would come back by the other way as if it were news. */
function checkRedis(
	draft: PeersDraft,
	localName: string | undefined,
	{ diagnostics, peers: sections }: ParserState,
): void {
	const { name, redis, peers, shards } = draft;
	const other = sections.slice(0, sections.indexOf(draft)).find((section) => section.redis?.prefix === redis?.prefix);
	if (other !== undefined) {
		diagnostics.alert(
			redis!.place,
			`'redis' : peers section '${other.name}' (${at(other.redis!.place)}) has the prefix '${redis!.prefix}' too; give one of them another.`,
		);
	}
	const remote = peers.find((peer) => peer.name !== localName);
	if (remote !== undefined) {
		diagnostics.alert(
			remote.place,
			`'${remote.keyword} ${remote.name}' : peers section '${name}' is shared through Redis (${at(redis!.place)}); it cannot have other peers, only the local one, which an old process of this node teaches a new one by.`,
		);
	}
	if (shards > 0) diagnostics.alert(redis!.place, `'redis' : 'shards' are for peers, Redis has no use for them.`);
}

/** The listener that the old form, `peer NAME ADDRESS`, means for the local peer. */
function listenerOf(place: Place, address: SocketAddress, options: BindOptions): BindModel {
	return {
		place,
		address,
		id: 1,
		name: options.name,
		maxconn: options.maxconn,
		backlog: options.backlog,
		v4v6: options.v4v6,
		v6only: options.v6only,
		mode: options.mode,
		uid: options.uid,
		gid: options.gid,
		acceptProxy: options.acceptProxy,
		cipMagic: options.cipMagic,
		proto: options.proto,
		tls: options.ssl ? { ...options.tls } : undefined,
	};
}
