/** The worker's global scope. */
export const worker = self as unknown as ServiceWorkerGlobalScope
