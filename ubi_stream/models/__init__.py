"""Online models of one pack and partition: score first, then learn.

Each model's results are a function of the events in their order alone, never of how the stream is cut into chunks: a
crash replays the same events in other chunks and must end with the same bits. Hence three rules. Arithmetic over rows
is elementwise, or a reduction in strict sequence (`numpy.add.accumulate`), or over blocks that end at a fixed count of
events. Sums over features run in the order of the columns. Transcendental functions go through `math`, as NumPy's own
may differ in the last bit between a vector's body and its tail. No model reads a clock or a global random source.
"""
