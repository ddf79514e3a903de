import { QueryClient } from '@tanstack/react-query'
import { faultOf } from './fault'

// What the server says stays in memory alone: answers with personal data are
// no-store, and a closed tab forgets them.
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      gcTime: 10 * 60_000,
      retry: (n, e) => n < 2 && faultOf(e).status === 0, // lib/api has repeated it already where that helps
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false },
  },
})
