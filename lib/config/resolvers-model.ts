/** `resolvers` sections and what `server` lines say of names (manual, 5.3 and 5.2 `resolvers`), as data. */
import type { Place } from '../core/diagnostics.js';

export interface NameserverModel {
	readonly place: Place;
	readonly name: string;
	readonly address: string;
	readonly port: number;
	readonly transport: 'udp' | 'tcp';
}

/** Outcomes of a resolution that a `hold` line may name. */
export type ResolutionFailure = 'nx' | 'refused' | 'timeout' | 'other';

export interface ResolversModel {
	readonly place: Place;
	readonly name: string;
	readonly nameservers: readonly NameserverModel[];
	readonly acceptedPayloadSize: number;
	/** Rounds of queries before a resolution has failed. */
	readonly resolveRetries: number;
	/** From the end of one resolution to the next. */
	readonly resolveMs: number;
	/** How long an answer to a query is waited for. */
	readonly retryMs: number;
	readonly holdMs: Readonly<Record<ResolutionFailure | 'valid' | 'obsolete', number>>;
}

export type InitAddress = 'last' | 'libc' | 'none' | { readonly address: string; readonly family: 4 | 6 };

export interface ServerResolutionModel {
	/** Name of the `resolvers` section; undefined: the name is looked up once, at the start. */
	readonly resolvers: string | undefined;
	readonly prefer: 4 | 6;
	/** `resolve-net`: addresses in one of these are preferred. */
	readonly networks: readonly string[];
	/** Servers of one name and backend may have the same address. */
	readonly allowDuplicates: boolean;
	/** Weights of SRV records are not taken. */
	readonly ignoreWeight: boolean;
	readonly initAddresses: readonly InitAddress[];
}

export const NO_RESOLUTION: ServerResolutionModel = {
	resolvers: undefined,
	prefer: 6,
	networks: [],
	allowDuplicates: false,
	ignoreWeight: false,
	initAddresses: ['last', 'libc'],
};

/** A name that begins with an underscore asks for SRV records (manual, 5.3.1). */
export const isServiceName = (host: string): boolean => host.startsWith('_');
