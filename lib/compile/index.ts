/**
 * Where model and runtime meet: the plain data of a configuration becomes the objects of one thread.
 *
 * Every data thread compiles the same model for itself, because closures cannot be shared; what must be one
 * for all threads (tables, server states, counters) is attached to in the shared memory. The control thread
 * compiles too, for its remarks and to look at the same tables, servers and counters.
 */
export {
	type CompiledConfiguration,
	type CompileOptions,
	compileConfiguration,
	compileForControl,
} from './configuration.js';
export { resolveBindNames, resolveServerNames, resolveSideNames } from './server-names.js';
export {
	allocateShared,
	CounterIndexes,
	type FormerState,
	haveSameLayout,
	type SharedState,
	tableModels,
} from './shared-state.js';
