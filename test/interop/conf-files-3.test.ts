/** Conf files under both programs: share 3 of 4, so that none takes too long (conf-comparison.ts). */
import { compareConfFiles } from '../fixtures/conf-comparison.js';

compareConfFiles(2, 4);
