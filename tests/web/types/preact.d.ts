// The page loads libraries by their files; their types are those of the packages.
export * from 'preact';
