// Finding leads by a whole number or address: the server keeps hashes of these
// alone, so a part of one, and a name, never leaves the device.
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { api, ok } from './api'
import { purpose } from './session'
import { isWhole } from './whole'

/** The newest leads of whoever has this number or address, among all that one may read. With names it is an opening on the record. */
export const useFound = (text: string, names = true, on = true) =>
  useQuery({
    queryKey: ['found', text, names],
    enabled: on && isWhole(text),
    gcTime: 60_000,
    retry: false,
    queryFn: () =>
      ok(api.POST('/v1/leads/search', {
        params: { query: { include: names ? ['person'] : undefined, limit: 100 }, header: names ? { 'Catchment-Purpose': purpose() } : {} },
        body: { text },
      })),
  })

/** The value once nothing was typed for a moment. */
export function useRested(value: string) {
  const [rested, rest] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => rest(value), 400)
    return () => clearTimeout(timer)
  }, [value])
  return rested
}
