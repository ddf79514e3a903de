import { QueryClient } from '@tanstack/react-query'
import { reach } from './reach'

// What the server says stays in memory: answers with personal data are
// no-store, and a closed tab forgets them. What the desk keeps beside it is
// sealed (desk/local).
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: 'always', // whether the server answers is asked, not guessed from the network
      staleTime: 15_000,
      gcTime: 10 * 60_000,
      retry: false, // lib/api has repeated it where that helps
      refetchOnWindowFocus: true,
    },
    mutations: { retry: false, networkMode: 'always' },
  },
})

// What was not answered, and what stood in for an answer, is asked anew when the server is back.
reach.subscribe(() => void (reach.away() || queries.invalidateQueries()))
